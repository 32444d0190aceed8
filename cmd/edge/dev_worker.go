package main

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"edge/plugins"
)

// workerQuiet is the pause after which a Worker is built: it bundles what an editor
// writes in two steps. A build takes less than the usual pause, so a checkout of many
// files costs a few of them.
const workerQuiet = 4 * time.Millisecond

// project is the file that says what to serve, and what reads it.
func (c *devCommand) project() (file string, load func(string) (*Config, error), err error) {
	if !isWorkerSource(c.Dir) {
		if len(c.Fetch) > 0 {
			return "", nil, usageError{errFetchFlag}
		}
		return filepath.Join(c.Dir, configSource), developed(loadDevConfig), nil
	}
	for _, host := range c.Fetch {
		if err := plugins.CheckFetchGrant(host); err != nil {
			return "", nil, usageError{err}
		}
	}
	return c.Dir, developed(func(file string) (*Config, error) {
		config, err := LoadConfig(file)
		if err == nil && len(c.Fetch) > 0 {
			config.grantFetch(c.Fetch)
		}
		return config, err
	}), nil
}

// developed has what load reads be a developer's own.
func developed(load func(file string) (*Config, error)) func(file string) (*Config, error) {
	return func(file string) (*Config, error) {
		config, err := load(file)
		if err == nil {
			for i := range config.Plugins {
				config.Plugins[i].Development = true
			}
		}
		return config, err
	}
}

// buildWorker makes the module of a Worker. Warnings are shown when they change.
func (d *developer) buildWorker(ctx context.Context, p Plugin) (module moduleFile, err error) {
	before := d.workers[p.Name]
	module, built, err := d.server.builder.buildWorker(ctx, p.Name, p.Source)
	if d.changes != nil && (err != nil || emptied(before, built)) {
		if d.halfWritten(ctx, p.Name) {
			return moduleFile{}, errHalfWritten
		}
		// Of a file that is new to it, nobody tells that the rest was written.
		module, built, err = d.server.builder.buildWorker(ctx, p.Name, p.Source)
	}
	if err != nil {
		// What the last good build read stays watched; this one may not have come
		// so far.
		built.Inputs = append(built.Inputs, before.Inputs...)
		built.Previews = before.Previews
	}
	slices.Sort(built.Inputs)
	built.Inputs, built.Module = slices.Compact(built.Inputs), nil
	d.workers[p.Name] = built
	if !slices.Equal(before.Warnings, built.Warnings) {
		for _, w := range built.Warnings {
			d.console.line(yellowText, "warning", "%s", w)
		}
	}
	for _, line := range built.Said {
		d.console.line(dimText, "info", "%s: %s", p.Name, line)
	}
	if err == nil && d.config.askOfPreviews(p.Name, built.Previews) && d.server.serves(p.Name) {
		err = d.server.route(d.config, true)
	}
	return module, err
}

// workerFiles is what a Worker is made of. Where it does not build, a file that is
// missing may appear beside those that are there.
func (d *developer) workerFiles(p Plugin, builds bool) watchedSource {
	s := watchedSource{files: append([]string{p.Source}, d.workers[p.Name].Inputs...), quiet: workerQuiet}
	if builds {
		return s
	}
	for _, file := range s.files {
		if dir := filepath.Dir(file); !slices.Contains(s.folders, dir) {
			s.folders = append(s.folders, dir)
		}
	}
	return s
}
