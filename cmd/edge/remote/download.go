package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"edge/abi"
)

// download copies a file or a folder of the sandbox to this machine.
func (c *copier) download(ctx context.Context, source, target string) error {
	info, err := c.stat(ctx, source)
	if err != nil {
		return err
	}
	if info == nil {
		return abi.Errorf(abi.CodeFileNotFound, "there is no %s in %s", source, c.ref)
	}
	isDir := info.Type == abi.FileTypeDirectory || info.Type == abi.FileTypeSymlink && c.leadsToFolder(ctx, source)
	if info.Type == abi.FileTypeOther {
		return fmt.Errorf("%s in %s is no regular file", source, c.ref)
	}
	st, err := os.Stat(target)
	switch {
	case err == nil && st.IsDir():
		if !wantsContent(source) {
			target = filepath.Join(target, baseName(source))
		}
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	case strings.HasSuffix(target, "/") && !isDir:
		return fmt.Errorf("there is no folder %s", target)
	case err == nil && isDir:
		return fmt.Errorf("%s is a file, and %s a folder", target, source)
	}
	if !isDir {
		root, err := os.OpenRoot(filepath.Dir(target))
		if err != nil {
			return err
		}
		defer root.Close()
		return c.downloadFile(ctx, source, root, filepath.Base(target))
	}
	return c.downloadFolder(ctx, source, target, info)
}

// downloadFolder copies a folder with all below it. What the sandbox calls its
// files is not believed: everything is made through target as a root, which no
// name and no symlink leads out of.
func (c *copier) downloadFolder(ctx context.Context, source, target string, info *abi.FileInfo) error {
	list, err := Call(ctx, c.Client, c.ref, abi.ListFiles, &abi.ListFilesRequest{
		Path: source, Recursive: true, IncludeHidden: true, Limit: abi.MaxListLimit,
	})
	if err != nil {
		return err
	}
	if list.Truncated {
		return abi.Errorf(abi.CodeFileTooLarge, "%s holds more than %d files", source, abi.MaxListLimit).WithSuggestion("copy the folders in it one by one, or an archive made inside")
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(target)
	if err != nil {
		return err
	}
	defer root.Close()
	// A folder comes before what is in it.
	slices.SortFunc(list.Files, func(a, b abi.FileInfo) int { return cmp.Compare(a.Path, b.Path) })
	var folders []abi.FileInfo
	for _, f := range list.Files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !filepath.IsLocal(f.Path) {
			c.skip(f.Path, "its name leads out of the folder")
			continue
		}
		switch f.Type {
		case abi.FileTypeDirectory:
			if err = root.MkdirAll(f.Path, 0o700); err == nil {
				folders = append(folders, f)
			}
		case abi.FileTypeFile:
			if err = root.MkdirAll(path.Dir(f.Path), 0o755); err == nil {
				err = c.downloadFile(ctx, path.Join(source, f.Path), root, f.Path)
			}
			if isCode(err, abi.CodeFileNotFound) {
				c.skip(f.Path, "it is not there any more, or its name is not UTF-8")
				err = nil
			}
		case abi.FileTypeSymlink:
			c.skip(f.Path, "it is a symlink to "+f.Target)
		default:
			c.skip(f.Path, "it is no regular file")
		}
		if err != nil {
			return err
		}
	}
	// Modes and times last: a folder may be one that nobody can write to.
	for _, f := range slices.Backward(folders) {
		if err := dress(root, f.Path, f); err != nil {
			return err
		}
	}
	return dress(root, ".", *info)
}

// dress gives a copy the mode and the times of what it is a copy of.
func dress(root *os.Root, name string, info abi.FileInfo) error {
	if mode, err := strconv.ParseUint(info.Mode, 8, 32); err == nil && info.Type != abi.FileTypeSymlink {
		if err := root.Chmod(name, os.FileMode(mode)&os.ModePerm); err != nil {
			return err
		}
	}
	if info.ModifiedAt.IsZero() {
		return nil
	}
	return root.Chtimes(name, info.ModifiedAt, info.ModifiedAt)
}

// downloadFile copies one file; a reader of the target sees the old content or
// the new, never a part.
func (c *copier) downloadFile(ctx context.Context, source string, root *os.Root, name string) error {
	info, body, err := c.readFile(ctx, c.ref, source)
	if err != nil {
		return err
	}
	defer body.Close()
	if st, err := root.Stat(name); err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return fmt.Errorf("%s is a folder, and %s a file", name, source)
		}
		return c.fill(root, name, body)
	}
	part := path.Join(path.Dir(name), ".edge-"+randomName())
	f, err := root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err == nil {
		err = dress(root, part, info)
	}
	if err == nil {
		err = root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", source, err), root.Remove(part))
	}
	c.files++
	c.bytes += n
	return nil
}

// fill writes into what is there and is no file, such as /dev/null.
func (c *copier) fill(root *os.Root, name string, body io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	c.files++
	c.bytes += n
	return errors.Join(err, f.Close())
}

func randomName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
