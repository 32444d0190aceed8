package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Pauses that bundle events: an editor writes a file in several steps, and a
// checkout writes many files.
const (
	quiet      = 60 * time.Millisecond
	longestRun = time.Second
)

// watchedSource is what a name is made of: whole trees, single folders, single files.
type watchedSource struct {
	trees, folders, files []string
	// quiet is the pause after the last event that ends a change; 0 is the usual one.
	quiet time.Duration
}

// change is a set of names whose sources changed.
type change struct {
	names []string
	// since is when the first event came.
	since time.Time
}

// sourceWatcher tells which of its named sources changed on disk.
type sourceWatcher struct {
	notify *fsnotify.Watcher
	// ignored is a folder whose content is nobody's source: where this very
	// process writes.
	ignored string

	mu      sync.Mutex
	sources map[string]watchedSource
	watched map[string]bool // folders given to notify
}

// newSourceWatcher watches nothing yet. run releases it.
func newSourceWatcher(ignored string) (*sourceWatcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch sources: %w", err)
	}
	return &sourceWatcher{notify: n, ignored: ignored, sources: map[string]watchedSource{}, watched: map[string]bool{}}, nil
}

// set says what the name is made of from now on. What does not exist is skipped:
// its parent is watched, if that is part of the source.
func (w *sourceWatcher) set(name string, s watchedSource) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources[name] = s
	var errs []error
	for _, file := range s.files {
		errs = append(errs, w.add(filepath.Dir(file)))
	}
	for _, dir := range s.folders {
		errs = append(errs, w.add(dir))
	}
	for _, tree := range s.trees {
		errs = append(errs, w.addTree(tree))
	}
	return errors.Join(errs...)
}

// folders returns the single folders that the name is made of.
func (w *sourceWatcher) folders(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sources[name].folders)
}

// drop forgets the name. Its folders stay watched, which does no harm.
func (w *sourceWatcher) drop(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sources, name)
}

func (w *sourceWatcher) add(dir string) error {
	if w.watched[dir] {
		return nil
	}
	if err := w.notify.Add(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	w.watched[dir] = true
	return nil
}

func (w *sourceWatcher) addTree(tree string) error {
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("watch %s: %w", path, err)
		case !d.IsDir():
			return nil
		case path == w.ignored, path != tree && skippedFolder(d.Name()):
			return fs.SkipDir
		}
		return w.add(path)
	})
}

// run sends changes until ctx ends, then releases the watcher. Events that come
// while nobody receives are kept and sent together.
func (w *sourceWatcher) run(ctx context.Context, changes chan<- change) {
	defer w.notify.Close()
	var (
		pending = map[string]bool{}
		since   time.Time
		out     chan<- change // nil until it has been quiet
		timer   = time.NewTimer(0)
	)
	<-timer.C
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev, open := <-w.notify.Events:
			if !open {
				return
			}
			names := w.affected(ev)
			if len(names) == 0 {
				continue
			}
			if len(pending) == 0 {
				since = time.Now()
			}
			for _, n := range names {
				pending[n] = true
			}
			if time.Since(since) < longestRun {
				out = nil
				timer.Reset(w.pause(pending, ev.Name))
			}
		case <-w.notify.Errors:
			// The kernel's queue ran over: anything may have changed.
			if len(pending) == 0 {
				since = time.Now()
			}
			maps.Copy(pending, w.all())
			timer.Reset(quiet)
		case <-timer.C:
			out = changes
		case out <- change{slices.Sorted(maps.Keys(pending)), since}:
			pending, out = map[string]bool{}, nil
		}
	}
}

// pause is how long to wait for more after an event of a file: the longest that one
// of the names wants. Who has just truncated a file is about to write it.
func (w *sourceWatcher) pause(names map[string]bool, file string) time.Duration {
	if st, err := os.Stat(file); err == nil && st.Size() == 0 {
		return quiet
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for name := range names {
		longest = max(longest, cmp.Or(w.sources[name].quiet, quiet))
	}
	return longest
}

func (w *sourceWatcher) all() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := map[string]bool{}
	for n := range w.sources {
		names[n] = true
	}
	return names
}

// affected returns the names that the event concerns, and watches folders that
// appear in a tree.
func (w *sourceWatcher) affected(ev fsnotify.Event) []string {
	if ev.Op&^fsnotify.Chmod == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if ev.Op.Has(fsnotify.Remove) || ev.Op.Has(fsnotify.Rename) {
		delete(w.watched, ev.Name)
	}
	var names []string
	for name, s := range w.sources {
		if w.concerns(s, ev) {
			names = append(names, name)
		}
	}
	return names
}

func (w *sourceWatcher) concerns(s watchedSource, ev fsnotify.Event) bool {
	if slices.Contains(s.files, ev.Name) {
		return true
	}
	if skippedFile(filepath.Base(ev.Name)) || ev.Name == w.ignored || strings.HasPrefix(ev.Name, w.ignored+"/") {
		return false
	}
	if slices.Contains(s.folders, filepath.Dir(ev.Name)) {
		return true
	}
	for _, tree := range s.trees {
		rel, err := filepath.Rel(tree, ev.Name)
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") || skippedPath(rel) {
			continue
		}
		if st, err := os.Stat(ev.Name); err == nil && st.IsDir() {
			if err := w.addTree(ev.Name); err != nil {
				return true // it will be tried again when something else changes
			}
		}
		return true
	}
	return false
}

// skippedPath tells whether a path inside a tree lies in a folder that holds no
// sources.
func skippedPath(rel string) bool {
	dir := filepath.Dir(rel)
	return dir != "." && slices.ContainsFunc(strings.Split(dir, "/"), skippedFolder)
}

func skippedFolder(name string) bool {
	return name == "node_modules" || strings.HasPrefix(name, ".") && name != "." && name != ".."
}

// skippedFile tells whether a file of that name makes no difference to a module:
// what editors leave beside it, tests, modules themselves, and logs, which may be
// this very program's: each of its lines would be a change.
func skippedFile(name string) bool {
	return skippedFolder(name) || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".swp") ||
		strings.HasSuffix(name, ".wasm") || strings.HasSuffix(name, ".log") || strings.HasSuffix(name, "_test.go") || name == "4913"
}
