package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edge/plugins/worker"
)

// workerBuildCommand is "edge build".
type workerBuildCommand struct {
	Source string `arg:"" help:"The Worker's source: a .ts or .js file."`
	Out    string `short:"o" placeholder:"FILE" help:"Module to write; default is the source's name with .wasm."`
}

// Help is the long text of --help.
func (c *workerBuildCommand) Help() string {
	return `Makes one WebAssembly module of a Worker, with everything that it imports and the JavaScript engine in it. Any edge runs it, also one that was built
without the engine. The same sources make the same bytes. The top level of the source is run now, and not again: Date.now() is 0 there and nothing
can be awaited that takes time.`
}

// Run builds the module and prints its size and digest.
func (c *workerBuildCommand) Run(ctx context.Context, t *terminal) error {
	if !isWorkerSource(c.Source) {
		return usageError{fmt.Errorf("%s is no Worker's source; want a file that ends in %s%s", c.Source, strings.Join(workerExtensions, ", "), folderHint(c.Source))}
	}
	out := c.Out
	if out == "" {
		out = strings.TrimSuffix(filepath.Base(c.Source), filepath.Ext(c.Source)) + ".wasm"
	}
	begin := time.Now()
	module, err := t.buildWorker(ctx, c.Source)
	if err != nil {
		return err
	}
	if err := replaceFile(out, module); err != nil {
		return fmt.Errorf("write the module: %w", err)
	}
	fmt.Fprintf(t.out, "%s %s bytes sha256:%x %s\n", out, grouped(uint64(len(module))), sha256.Sum256(module), milliseconds(time.Since(begin)))
	return nil
}

// buildWorker makes a module of a Worker's source for commands that run no edge.
// Warnings and what the source says meanwhile go to the terminal.
func (t *terminal) buildWorker(ctx context.Context, source string) ([]byte, error) {
	if _, err := os.Stat(source); err != nil {
		return nil, usageError{fmt.Errorf("%s: %s", source, reason(err))}
	}
	b := pluginBuilder{workers: newWorkerBuilder(assets, worker.Config{CacheDir: userCache()})}
	built, err := b.workers.Build(ctx, source)
	for _, w := range built.Warnings {
		fmt.Fprintln(t.err, "edge: warning: "+printable(w))
	}
	for _, line := range built.Said {
		fmt.Fprintln(t.err, printable(line))
	}
	if err != nil {
		err = workerError(ctx, pluginNameOf(source), source, err)
	}
	if closed := b.close(); err == nil {
		err = closed
	}
	return built.Module, err
}
