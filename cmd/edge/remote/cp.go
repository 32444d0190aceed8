package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"edge/abi"
)

type cpCommand struct {
	Connection
	Follow bool   `short:"L" name:"follow-link" help:"Copy what symlinks of this machine name; without it symlinks are left out, with a warning."`
	Quiet  bool   `short:"q" help:"Do not tell what was copied."`
	Source string `arg:"" complete:"path" help:"[BINDING/]ID:PATH, a path of this machine, or - for standard input (bytes of one file, no archive)."`
	Target string `arg:"" complete:"path" help:"[BINDING/]ID:PATH, a path of this machine, or - for standard output (bytes of one file, no archive)."`
}

// Run copies a file or a folder with all below it into a sandbox or out of it.
// Permission bits come along both ways, times only out of a sandbox. A folder
// that is there takes the copy in under the source's own name, unless the source
// ends in "/."; then its content is copied.
func (v *cpCommand) Run(ctx context.Context, env *Env) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := func() { cancel(ExitCode(exitInterrupted)) }
	defer forwardSignals(env, func(os.Signal) { end() }, end)()
	err := v.copy(ctx, env)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (v *cpCommand) copy(ctx context.Context, env *Env) error {
	fromBox, fromPath, down := splitPlace(v.Source)
	toBox, toPath, up := splitPlace(v.Target)
	fromPath, toPath = cmp.Or(fromPath, abi.DefaultCwd), cmp.Or(toPath, abi.DefaultCwd)
	switch {
	case down && up:
		return abi.Errorf(abi.CodeInvalidRequest, "cp: both places are in sandboxes").WithSuggestion("copy through this machine: edge cp %s - | edge cp - %s", v.Source, v.Target)
	case !down && !up:
		return abi.Errorf(abi.CodeInvalidRequest, "cp: neither place is in a sandbox").WithSuggestion("write a place in one as ID:PATH; a path of this machine that holds a colon, as ./PATH")
	case down:
		return v.in(ctx, env, fromBox, func(s *session) error {
			c := &copier{session: s, env: env}
			if v.Target == "-" {
				return c.print(ctx, fromPath)
			}
			return c.report(v, c.download(ctx, fromPath, v.Target))
		})
	}
	return v.in(ctx, env, toBox, func(s *session) error {
		c := &copier{session: s, env: env, followLinks: v.Follow}
		if v.Source == "-" {
			return c.take(ctx, toPath)
		}
		return c.report(v, c.upload(ctx, v.Source, toPath))
	})
}

// splitPlace reads "[BINDING/]ID:PATH". What has a slash before the colon that
// is not of a binding, begins with a dot or a slash, or has no colon is a path of
// this machine.
func splitPlace(text string) (sandbox, file string, inSandbox bool) {
	sandbox, file, found := strings.Cut(text, ":")
	if !found || sandbox == "" || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/") || strings.Count(sandbox, "/") > 1 {
		return "", text, false
	}
	return sandbox, file, true
}

// copier copies between this machine and one sandbox.
type copier struct {
	*session
	env         *Env
	followLinks bool
	// What was copied.
	files, bytes int64
	// skipped counts what was left out, each with a line on standard error.
	skipped int
}

// report tells a person what was copied.
func (c *copier) report(v *cpCommand, err error) error {
	if err == nil && !v.Quiet {
		if _, isTerminal := terminalOf(c.env.Err); isTerminal {
			fmt.Fprintf(c.env.Err, "%s, %s\n", counted(int(c.files), "file", "files"), sizeText(c.bytes))
		}
	}
	return err
}

// skip leaves something out, and says so.
func (c *copier) skip(name, why string) {
	c.skipped++
	fmt.Fprintf(c.env.Err, "edge: left out %s: %s\n", oneLine(name), oneLine(why))
}

// print copies one file to standard output.
func (c *copier) print(ctx context.Context, file string) error {
	_, body, err := c.readFile(ctx, c.ref, file)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(c.env.Out, body)
	return err
}

// take copies standard input to one file.
func (c *copier) take(ctx context.Context, file string) error {
	return c.writeFile(ctx, c.ref, file, "", -1, c.env.In)
}

// stat tells what is at a path of the sandbox, nil for nothing.
func (c *copier) stat(ctx context.Context, file string) (*abi.FileInfo, error) {
	there, err := Call(ctx, c.Client, c.ref, abi.Exists, &abi.PathRequest{Path: file})
	if err != nil || !there.Exists || there.Info == nil {
		return nil, err
	}
	return there.Info, nil
}

// baseName is the last word of a path, and nothing for "/", "." and "..".
func baseName(file string) string {
	base := path.Base(filepath.ToSlash(file))
	if base == "/" || base == "." || base == ".." {
		return ""
	}
	return base
}

// wantsContent tells whether a source names a folder's content, "dir/.".
func wantsContent(file string) bool { return file == "." || strings.HasSuffix(file, "/.") }

// upload copies a file or a folder of this machine into the sandbox.
func (c *copier) upload(ctx context.Context, source, target string) error {
	st, err := os.Stat(source)
	if err != nil {
		return err
	}
	there, err := c.stat(ctx, target)
	if err != nil {
		return err
	}
	isDir := there != nil && (there.Type == abi.FileTypeDirectory || there.Type == abi.FileTypeSymlink && c.leadsToFolder(ctx, target))
	if strings.HasSuffix(target, "/") && !isDir && !st.IsDir() {
		return abi.Errorf(abi.CodeFileNotFound, "there is no folder %s in %s", target, c.ref)
	}
	if isDir && !wantsContent(source) {
		target = path.Join(target, baseName(source))
		if there, err = c.stat(ctx, target); err != nil {
			return err
		}
	}
	if !st.IsDir() {
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", source)
		}
		return c.uploadFile(ctx, source, target, st)
	}
	if there != nil && there.Type == abi.FileTypeFile {
		return abi.Errorf(abi.CodeNotDirectory, "%s in %s is a file, and %s a folder", target, c.ref, source)
	}
	return c.uploadFolder(ctx, source, target)
}

// leadsToFolder tells whether a symlink in the sandbox names a folder.
func (c *copier) leadsToFolder(ctx context.Context, file string) bool {
	_, err := Call(ctx, c.Client, c.ref, abi.ListFiles, &abi.ListFilesRequest{Path: file, Limit: 1})
	return err == nil
}

// uploadFolder copies a folder with all below it. One that its owner cannot write
// to, as in Go's module cache, becomes so when all is in it.
func (c *copier) uploadFolder(ctx context.Context, source, target string) error {
	st, err := os.Stat(source)
	if err != nil {
		return err
	}
	const usable = 0o700
	if err := c.makeFolder(ctx, target, st.Mode()|usable); err != nil {
		return err
	}
	if err := c.uploadContent(ctx, source, target); err != nil || st.Mode()&usable == usable {
		return err
	}
	_, err = Call(ctx, c.Client, c.ref, abi.SetPermissions, &abi.SetPermissionsRequest{Path: target, Mode: bits(st.Mode())})
	return err
}

// uploadContent copies what is in a folder into one that is there.
func (c *copier) uploadContent(ctx context.Context, source, target string) error {
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		from, to := filepath.Join(source, e.Name()), path.Join(target, e.Name())
		info, err := e.Info()
		if err == nil && info.Mode().Type() == os.ModeSymlink && c.followLinks {
			info, err = os.Stat(from)
		}
		switch {
		case !utf8.ValidString(e.Name()):
			c.skip(from, "its name is not UTF-8")
			continue
		case errors.Is(err, os.ErrNotExist):
			c.skip(from, "it is not there any more, or leads nowhere")
		case err != nil:
			return err
		case info.IsDir():
			err = c.uploadFolder(ctx, from, to)
		case info.Mode().IsRegular():
			err = c.uploadFile(ctx, from, to, info)
		case info.Mode().Type() == os.ModeSymlink:
			c.skip(from, "it is a symlink; -L copies what it names")
		default:
			c.skip(from, "it is no regular file")
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makeFolder makes a folder in the sandbox; one that is there stays as it is.
func (c *copier) makeFolder(ctx context.Context, target string, mode os.FileMode) error {
	_, err := Call(ctx, c.Client, c.ref, abi.Mkdir, &abi.MkdirRequest{Path: target, Recursive: true, Mode: bits(mode)})
	return err
}

// bits writes a mode as operations have it.
func bits(mode os.FileMode) string { return fmt.Sprintf("%04o", mode.Perm()) }

func (c *copier) uploadFile(ctx context.Context, source, target string, st os.FileInfo) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.writeFile(ctx, c.ref, target, bits(st.Mode()), st.Size(), f); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	c.files++
	c.bytes += st.Size()
	return nil
}
