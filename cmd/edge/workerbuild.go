package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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

// buildWorker makes the plugin's module of a Worker's source and replaces the file in
// one step; one that has the content already is left alone. The error is a *buildError
// if the source is to blame. What is known of the source's inputs is returned beside it.
func (b *pluginBuilder) buildWorker(ctx context.Context, plugin, file string) (module string, built worker.Built, err error) {
	built, err = b.workers.Build(ctx, file)
	if err != nil {
		return "", built, workerError(ctx, plugin, file, err)
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", built, fmt.Errorf("build plugin %s: %w", plugin, err)
	}
	module = b.module(plugin)
	if err := replaceFile(module, built.Module); err != nil {
		return "", built, fmt.Errorf("build plugin %s: %w", plugin, err)
	}
	return module, built, nil
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
