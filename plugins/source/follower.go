package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrRefused is what Offer's error is when the module is to blame: the same
// version is not offered again, until Retry.
var ErrRefused = errors.New("the module is refused")

// Defaults of a Follower.
const (
	// DefaultLookTime bounds a look, DefaultFetchTime a fetch.
	DefaultLookTime  = 30 * time.Second
	DefaultFetchTime = 10 * time.Minute
	// watchedPoll is how often a folder is looked at that is also watched: what
	// lies on another machine's disk reports nothing.
	watchedPoll = 30 * time.Second
)

// Back-off from a source that fails: from firstRetry on twice as long each time,
// up to lastRetry or the source's own interval, whichever is longer.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// Follower keeps one plugin at what its source holds. Its fields are set before
// the first call and not changed after.
type Follower struct {
	// Plugin is whose module it is, for the log.
	Plugin string
	Source Source
	// Name is the source as it is configured: what was taken of another source is
	// not what was taken of this one.
	Name string
	// Offer has the plugin take a module. It is called once at a time.
	Offer func(context.Context, Module) error
	// Memory is the file that keeps which version was taken last; empty is none, and
	// a restart then takes the source's version again.
	Memory string
	// Poll is how often the source is looked at; 0 is 30 s for a folder, which is
	// watched besides.
	Poll time.Duration
	// LookTime and FetchTime bound a look and a fetch; 0 is the default.
	LookTime, FetchTime time.Duration
	// Log gets why the source fails, once for each reason; nil discards it.
	Log *slog.Logger

	settle, retry time.Duration // the constants, for tests to change

	// syncing lets one Sync at a time happen, and guards what follows.
	syncing sync.Mutex
	opened  bool
	taken   Version
	refused Version

	mu      sync.Mutex
	problem string // why the plugin does not follow its source now
}

// Problem says why the plugin does not follow its source, empty when it does. A
// module that is refused is no such reason.
func (f *Follower) Problem() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

// Sync looks at the source once, and offers what is new. The error says why the
// source cannot be read, or is Offer's; a version that was refused before is no
// error.
func (f *Follower) Sync(ctx context.Context) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.open()
	v, err := f.look(ctx)
	if err != nil {
		return f.failed(ctx, fmt.Errorf("the source cannot be read: %w", err))
	}
	if v == f.taken || v == f.refused {
		f.reached()
		return nil
	}
	m, err := f.fetch(ctx, v)
	if err != nil {
		return f.failed(ctx, fmt.Errorf("the source cannot be read: %w", err))
	}
	switch err = f.Offer(ctx, m); {
	case err == nil:
		f.taken, f.refused = v, ""
		f.reached()
		f.remember()
		return nil
	case errors.Is(err, ErrRefused): // Offer told why
		f.refused = v
		f.reached()
		return err
	}
	return f.failed(ctx, fmt.Errorf("%s is not loaded: %w", m.Origin, err))
}

// Retry forgets which version was refused: what it was refused for may have
// changed. The next Sync offers it again.
func (f *Follower) Retry() {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.refused = ""
}

// Forget forgets which version was taken as well: nothing serves, whatever was
// taken before.
func (f *Follower) Forget() {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.opened, f.taken, f.refused = true, "", ""
}

func (f *Follower) look(ctx context.Context) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, orDefault(f.LookTime, DefaultLookTime))
	defer cancel()
	return f.Source.Look(ctx)
}

func (f *Follower) fetch(ctx context.Context, v Version) (Module, error) {
	ctx, cancel := context.WithTimeout(ctx, orDefault(f.FetchTime, DefaultFetchTime))
	defer cancel()
	return f.Source.Fetch(ctx, v)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (f *Follower) log() *slog.Logger {
	if f.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return f.Log
}

// failed notes why the plugin does not follow, and says so when that is news.
func (f *Follower) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err // it was called off
	}
	f.mu.Lock()
	news := f.problem != err.Error()
	f.problem = err.Error()
	f.mu.Unlock()
	if news {
		f.log().Warn("the plugin does not follow its source; what serves goes on", "plugin", f.Plugin, "source", f.Name, "error", err)
	}
	return err
}

// reached notes that the plugin follows.
func (f *Follower) reached() {
	f.mu.Lock()
	news := f.problem != ""
	f.problem = ""
	f.mu.Unlock()
	if news {
		f.log().Info("the plugin follows its source again", "plugin", f.Plugin, "source", f.Name)
	}
}

// Run follows the source until ctx ends: it looks at once, and then when the
// source's folder changes and at intervals. Errors are in the log.
func (f *Follower) Run(ctx context.Context) {
	w := newWatch(f)
	defer w.close()
	failures := 0
	for ctx.Err() == nil {
		w.add()
		if err := f.Sync(ctx); err != nil && !errors.Is(err, ErrRefused) {
			failures++
		} else {
			failures = 0
		}
		if !w.wait(ctx, f.pause(failures, w.watching)) {
			return
		}
	}
}

// pause is how long it is until the next look, after so many failures in a row.
func (f *Follower) pause(failures int, watching bool) time.Duration {
	poll := f.Poll
	if poll <= 0 {
		poll = watchedPoll
	}
	first := orDefault(f.retry, firstRetry)
	if f.Source.Folder() != "" && !watching {
		return first // the folder is not there, or cannot be watched
	}
	if failures == 0 {
		return poll
	}
	d := first
	for range failures - 1 {
		if d *= 2; d >= max(poll, lastRetry) {
			d = max(poll, lastRetry)
			break
		}
	}
	// A fleet that lost its registry shall not come back in step.
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}
