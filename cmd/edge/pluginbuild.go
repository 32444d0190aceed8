package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"edge/plugins/worker"
)

// buildGrace is how long a build that was called off may take to go away.
const buildGrace = 2 * time.Second

// pluginBuilder turns folders with Go sources into modules with the machine's
// own Go toolchain, and Workers by itself.
type pluginBuilder struct {
	// dir is where modules are put: {state}/build.
	dir string
	// tool runs go in a folder for the plugins' platform and returns what it
	// printed; nil is the one on PATH.
	tool goCommand
	// workers makes modules of TypeScript. close closes it.
	workers *worker.Builder
}

// close releases what builds have in common.
func (b *pluginBuilder) close() error {
	if b.workers == nil {
		return nil
	}
	return b.workers.Close()
}

// goCommand runs go with arguments in a folder.
type goCommand func(ctx context.Context, folder string, args ...string) ([]byte, error)

func (b *pluginBuilder) run(ctx context.Context, folder string, args ...string) ([]byte, error) {
	if b.tool != nil {
		return b.tool(ctx, folder, args...)
	}
	return goTool(ctx, folder, args...)
}

// buildError is what the compiler had to say, line by line.
type buildError struct {
	plugin string
	lines  []string
}

func (e *buildError) Error() string {
	return fmt.Sprintf("plugin %s does not build:\n%s", e.plugin, strings.Join(e.lines, "\n"))
}

// module is where the plugin's module is, or will be once it was built.
func (b *pluginBuilder) module(plugin string) string {
	return filepath.Join(b.dir, plugin+".wasm")
}

// buildArgs are the arguments of go that make a module of the folder's package.
func buildArgs(out string) []string {
	return []string{"build", "-buildvcs=false", "-buildmode=c-shared", "-o", out, "."}
}

// build compiles the folder into the plugin's module and replaces the file in
// one step. The error is a *buildError if the sources are to blame.
func (b *pluginBuilder) build(ctx context.Context, plugin, folder string) (string, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", fmt.Errorf("build plugin %s: %w", plugin, err)
	}
	tmp := filepath.Join(b.dir, "."+plugin+".new")
	defer os.Remove(tmp)
	output, err := b.run(ctx, folder, buildArgs(tmp)...)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("build plugin %s: there is no go command on PATH; install Go, or name a built .wasm file as source", plugin)
	case err != nil:
		return "", &buildError{plugin, compilerLines(output, err)}
	}
	if err := os.Rename(tmp, b.module(plugin)); err != nil {
		return "", fmt.Errorf("build plugin %s: %w", plugin, err)
	}
	return b.module(plugin), nil
}

// packageDirs returns the folders whose Go files the plugin in folder is made
// of, those of the toolchain and of downloaded modules aside.
func (b *pluginBuilder) packageDirs(ctx context.Context, folder string) ([]string, error) {
	const format = `{{if not .Standard}}{{if or (not .Module) .Module.Main .Module.Replace}}{{.Dir}}{{end}}{{end}}`
	output, err := b.run(ctx, folder, "list", "-e", "-deps", "-f", format, ".")
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", folder, err)
	}
	var dirs []string
	for line := range strings.Lines(string(output)) {
		if dir := strings.TrimSpace(line); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// goTool runs go for the plugins' platform and returns what it printed.
func goTool(ctx context.Context, folder string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = folder
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = buildGrace
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.Bytes(), err
}

// compilerLines drops go's headings, which name packages and not mistakes.
func compilerLines(output []byte, err error) []string {
	var lines []string
	for line := range strings.Lines(string(output)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && !strings.HasPrefix(line, "# ") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "go build: "+err.Error())
	}
	return lines
}

// fileDigest returns the SHA-256 of a file in hexadecimal. It never waits for what
// is no file, such as a named pipe.
func fileDigest(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
