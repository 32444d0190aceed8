package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// retryWatch is how often a folder that is gone is looked for.
const retryWatch = time.Second

// fileState is what tells cheaply that a file may have changed.
type fileState struct {
	exists  bool // and is not empty: a writer has just truncated it
	size    int64
	changed time.Time
	mode    os.FileMode // one that could not be read may be readable now
	file    os.FileInfo
}

func stateOf(path string) fileState {
	st, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{st.Size() > 0, st.Size(), st.ModTime(), st.Mode(), st}
}

func (s fileState) same(o fileState) bool {
	return s.exists == o.exists && s.size == o.size && s.mode == o.mode && s.changed.Equal(o.changed) && (!s.exists || os.SameFile(s.file, o.file))
}

// sourceState is that of a plugin's file, and of its signature if it must have
// one.
type sourceState struct{ module, signature fileState }

func (s sourceState) same(o sourceState) bool {
	return s.module.same(o.module) && s.signature.same(o.signature)
}

// lookAtSource returns the state of the plugin's file. p.loading is held.
func (p *Plugin) lookAtSource() sourceState {
	return stateOfSource(p.spec.Source, len(p.spec.SignedBy) > 0)
}

func stateOfSource(path string, signed bool) sourceState {
	var s sourceState
	if path != "" {
		s.module = stateOf(path)
	}
	if signed && path != "" {
		s.signature = stateOf(path + signatureSuffix)
	}
	return s
}

// Watch loads plugins again when their files change, until ctx ends. What counts
// is the content: a file that is touched, or written again as it was, changes
// nothing, and one that is being written is left alone until it lies still. A
// module that is refused leaves the old one serving. The error is of the
// operating system's notifications; nil after ctx's end.
func (r *Registry) Watch(ctx context.Context) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch plugins: %w", err)
	}
	defer notify.Close()
	w := &watch{reg: r, notify: notify, pending: map[*Plugin]sourceState{}}
	timer, armed := time.NewTimer(0), true
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-notify.Events:
			if !ok {
				return errors.New("watch plugins: notifications ended")
			}
			w.look()
		case err, ok := <-notify.Errors:
			if !ok {
				return errors.New("watch plugins: notifications ended")
			}
			r.log.Warn("watching plugins: looking at every file instead", "err", err) // the queue overflowed
			w.look()
		case <-r.changed:
			w.look()
		case <-timer.C:
			armed = false
			w.look()
			w.loadSettled(ctx)
		}
		if next := w.next(); next > 0 && !armed {
			timer.Reset(next)
			armed = true
		}
	}
}

// watch is the state of one Watch; its goroutine alone uses it.
type watch struct {
	reg    *Registry
	notify *fsnotify.Watcher
	// pending are plugins whose file differs from what was loaded, with its state
	// when that was last looked at.
	pending map[*Plugin]sourceState
	missing bool // a folder could not be watched
}

// next is when the timer is wanted: soon while a file is settling, now and then
// while a folder is missing, else not at all.
func (w *watch) next() time.Duration {
	switch {
	case len(w.pending) > 0:
		return w.reg.settle
	case w.missing:
		return retryWatch
	}
	return 0
}

// look watches every plugin's folder and finds the files that changed.
func (w *watch) look() {
	w.missing = false
	for _, p := range w.reg.all() {
		source, signed, seen := p.source()
		if source == "" {
			continue
		}
		for _, folder := range foldersOf(source) {
			// Adding a folder again is harmless, and finds one that was made anew.
			if err := w.notify.Add(folder); err != nil {
				w.missing = true
			}
		}
		now := stateOfSource(source, signed)
		if _, waits := w.pending[p]; !waits && now.module.exists && !now.same(seen) {
			w.pending[p] = sourceState{}
		}
	}
}

// foldersOf returns the folder of a file, and, if it is a symbolic link, of what
// that names: its content may be replaced there.
func foldersOf(path string) []string {
	folder := filepath.Dir(path)
	target, err := filepath.EvalSymlinks(path)
	if err != nil || filepath.Dir(target) == folder {
		return []string{folder}
	}
	return []string{folder, filepath.Dir(target)}
}

// loadSettled loads the plugins whose file did not change since the last look.
func (w *watch) loadSettled(ctx context.Context) {
	for p, before := range w.pending {
		source, signed, _ := p.source()
		now := stateOfSource(source, signed)
		if !now.module.exists {
			delete(w.pending, p) // gone: what was loaded serves on
			continue
		}
		if !now.same(before) {
			w.pending[p] = now
			continue
		}
		delete(w.pending, p)
		p.reloadChanged(ctx)
	}
}

// source returns the plugin's file, whether its signature counts, and their state
// when they were last read.
func (p *Plugin) source() (path string, signed bool, seen sourceState) {
	p.loading.Lock()
	defer p.loading.Unlock()
	return p.spec.Source, len(p.spec.SignedBy) > 0, p.seen
}

// reloadChanged is reload for Watch: content that was refused already is not
// tried again, and errors have been reported where they happened.
func (p *Plugin) reloadChanged(ctx context.Context) {
	begun := time.Now()
	p.loading.Lock()
	defer p.loading.Unlock()
	defer p.archive.Flush()
	file, digest, err := p.readSource(nil)
	switch {
	case err != nil:
		p.unreadable(begun, err)
	case p.isSettled(digest):
		p.refused = refused{} // what was refused is news if it comes back
	case p.refused.covers(contentOf(digest, file.Signature)):
	default:
		_ = p.load(ctx, file, false, begun) // load reported it
	}
}
