package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"edge/plugins"
	"edge/plugins/worker"
)

// workerExtensions are those of sources that the edge makes a module of itself.
var workerExtensions = []string{".ts", ".js", ".mts", ".mjs", ".tsx", ".jsx"}

// isWorkerSource tells whether a file is a Worker's source by its name.
func isWorkerSource(path string) bool { return slices.Contains(workerExtensions, filepath.Ext(path)) }

// newWorkerBuilder returns what makes modules of Workers, with the JavaScript engine
// that is among the assets. Without one it says so when it is used.
func newWorkerBuilder(assets fs.FS, config worker.Config) *worker.Builder {
	if engine, err := fs.ReadFile(assets, "assets/quickjs.wasm"); err == nil {
		config.Engine = engine // else worker.ErrNoEngine, when there is need of it
	}
	return worker.New(config)
}

// buildWorker makes the plugin's module of a Worker's source. The error is a *buildError
// if the source is to blame. What is known of the source's inputs is returned beside it.
func (b *pluginBuilder) buildWorker(ctx context.Context, plugin, file string) (moduleFile, worker.Built, error) {
	built, err := b.workers.Build(ctx, file)
	if err != nil {
		return moduleFile{}, built, workerError(ctx, plugin, file, err)
	}
	return moduleFile{b.module(plugin), &plugins.Module{Bytes: built.Module}}, built, nil
}

// moduleFile is the file of a plugin's module.
type moduleFile struct {
	path string
	// built is what is to be in the file and is not yet; nil: the file has its content.
	built *plugins.Module
}

// digest returns the SHA-256 of the module in hexadecimal.
func (m moduleFile) digest() (string, error) {
	if m.built != nil {
		return m.built.Digest(), nil
	}
	digest, err := fileDigest(m.path)
	if err != nil {
		return "", fmt.Errorf("read the module: %w", err)
	}
	return digest, nil
}

// write replaces the file in one step, if it has not its content yet.
func (m moduleFile) write() error {
	if m.built == nil {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(m.path), 0o700)
	if err == nil {
		err = replaceFile(m.path, m.built.Bytes)
	}
	if err != nil {
		return fmt.Errorf("keep the module that was built: %w", err)
	}
	return nil
}

// workerError is why a Worker was not built, as commands show it.
func workerError(ctx context.Context, plugin, file string, err error) error {
	var source *worker.SourceError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, worker.ErrNoEngine):
		return fmt.Errorf("plugin %s: %w, which %s needs; \"make\" in the sources of edge makes one that has it, and a module made by such a one (edge build %s) runs here", plugin, err, filepath.Base(file), filepath.Base(file))
	case errors.As(err, &source):
		return &buildError{plugin, lines(err)}
	}
	return fmt.Errorf("build plugin %s: %w", plugin, err)
}
