package source

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long nothing must happen to the files of a folder before they are
// read: a copy is written in many pieces.
const settle = 50 * time.Millisecond

// watch waits for changes of one folder. Run's goroutine alone uses it.
type watch struct {
	source   Source
	settle   time.Duration
	notify   *fsnotify.Watcher // nil if there is no folder, or nothing to watch it with
	watching bool
}

// newWatch returns a watch of nothing yet.
func newWatch(f *Follower) *watch {
	w := &watch{source: f.Source, settle: orDefault(f.settle, settle)}
	if w.source.Folder() == "" {
		return w
	}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		f.log().Warn("the plugin's source cannot be watched, and is looked at every second", "plugin", f.Plugin, "source", f.Name, "error", err)
		w.notify = nil
	}
	return w
}

// add watches the folder. Doing so again is harmless, and finds one that was made
// anew.
func (w *watch) add() {
	if w.notify != nil {
		w.watching = w.notify.Add(w.source.Folder()) == nil
	}
}

func (w *watch) close() {
	if w.notify != nil {
		_ = w.notify.Close()
	}
}

// wait returns when that long has passed, or when the folder has changed and then
// lain still for a moment; false when ctx has ended.
func (w *watch) wait(ctx context.Context, pause time.Duration) bool {
	var events chan fsnotify.Event
	var failures chan error
	if w.notify != nil {
		events, failures = w.notify.Events, w.notify.Errors
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case ev, open := <-events:
			if !open {
				events, w.watching = nil, false // the timer goes on
			} else if w.changes(ev) {
				timer.Reset(w.settle)
			}
		case _, open := <-failures: // the queue ran over: anything may have changed
			if !open {
				failures = nil
				continue
			}
			timer.Reset(w.settle)
		}
	}
}

// changes tells whether an event is of one of the source's files, or of the folder
// itself.
func (w *watch) changes(ev fsnotify.Event) bool {
	return ev.Op&^fsnotify.Chmod != 0 && (ev.Name == w.source.Folder() || w.source.Concerns(ev.Name))
}
