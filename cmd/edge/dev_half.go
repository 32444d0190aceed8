package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"edge/plugins/worker"
)

// secondLook is how long edge dev waits for the rest of a source before it tells that
// the source is wrong. Whoever saves a file empties it and then writes it, and what is
// read in between is no mistake of the author's. What builds waits for nothing. Of the
// rest the watcher tells when it has been quiet, so this is longer than that.
const secondLook = 2 * quiet

// errHalfWritten is what became of a build whose sources were still being written.
var errHalfWritten = errors.New("the source is being written")

// misread tells whether an error is of sources that were still being written.
func (d *developer) misread(ctx context.Context, p Plugin, err error) bool {
	switch {
	case errors.Is(err, errHalfWritten):
		return true
	case p.Kind == sourceWorker, p.Kind.followed(): // was looked at, or is no file of an author's
		return false
	}
	return d.halfWritten(ctx, p.Name)
}

// halfWritten tells whether what was read of the name's sources was not all: if another
// change of it comes soon, that is taken next and what was read is not worth a word.
func (d *developer) halfWritten(ctx context.Context, name string) bool {
	if d.changes == nil { // edge dev starts
		return false
	}
	timer := time.NewTimer(d.secondLook)
	defer timer.Stop()
	for !slices.Contains(d.next.names, name) {
		select {
		case <-ctx.Done():
			return true
		case <-timer.C:
			return false
		case c := <-d.changes:
			d.next = d.next.with(c)
		}
	}
	return true
}

// with is one change of what both changed.
func (c change) with(later change) change {
	if len(c.names) == 0 {
		return later
	}
	names := slices.Concat(c.names, later.names)
	slices.Sort(names)
	return change{slices.Compact(names), c.since}
}

// emptied tells whether a file was read as empty that was not before, which a Worker
// can be built of: what it would export is undefined.
func emptied(before, now worker.Built) bool {
	return slices.ContainsFunc(now.Empty, func(file string) bool { return !slices.Contains(before.Empty, file) })
}

// cleared tells whether a configuration names no plugin or, as a Worker's variables are
// read into it, no secret any more. An empty file is none that is wrong.
func cleared(before, now *Config) bool {
	secrets := func(c *Config) (n int) {
		for _, p := range c.Plugins {
			n += len(p.Secrets)
		}
		return n
	}
	return len(before.Plugins) > 0 && len(now.Plugins) == 0 || secrets(before) > 0 && secrets(now) == 0
}
