package sandboxmgr

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"edge/abi"
)

// sleeper is the one timer that puts unused sandboxes to sleep, and removes
// those that stayed stopped. Using a sandbox costs it nothing: it looks when the
// first one would be due, and finds out then that it was used meanwhile.
type sleeper struct {
	next atomic.Int64 // when it looks next, in Unix nanoseconds
	wake chan struct{}
}

// sleeperPause is the shortest pause between two looks; retrySleep the one after
// a sandbox could not be stopped.
const (
	sleeperPause = 5 * time.Millisecond
	retrySleep   = time.Minute
)

func newSleeper() *sleeper { return &sleeper{wake: make(chan struct{}, 1)} }

// nudge makes the sleeper look by due.
func (s *sleeper) nudge(due time.Time) {
	if due.UnixNano() >= s.next.Load() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// drowse puts sandboxes to sleep when they are due, until the manager is closed.
func (m *Manager) drowse() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.sleeper.wake:
		case <-timer.C:
		}
		// Whoever has news while the sandboxes are looked at makes the sleeper
		// look again.
		m.sleeper.next.Store(math.MaxInt64)
		now := time.Now()
		next := now.Add(farAway)
		for _, u := range m.all() {
			if due, ok := u.drowse(now); ok && due.Before(next) {
				next = due
			}
		}
		m.sleeper.next.Store(next.UnixNano())
		timer.Reset(max(time.Until(next), sleeperPause))
	}
}

// dueKind is what is to be done to an unused sandbox.
type dueKind int

const (
	dueSleep  dueKind = iota + 1 // it is to be stopped
	dueDelete                    // it is to be destroyed
)

// due tells what is to be done to the sandbox and when, if it is not used before;
// u.mu is held.
func (u *unit) due() (at time.Time, does dueKind, ok bool) {
	if u.pending || u.revision == 0 {
		return time.Time{}, 0, false
	}
	last := time.Unix(0, u.activity.last.Load())
	switch {
	case u.current != nil:
		after := u.record.sleepsAfter(&u.binding)
		if after == 0 || u.paused || u.activity.busy() {
			return time.Time{}, 0, false
		}
		return later(last.Add(after), u.awakeUntil), dueSleep, true
	case u.state == abi.StateStopped, u.state == abi.StateLost:
		if u.binding.DeleteAfter == 0 {
			return time.Time{}, 0, false
		}
		return later(later(last, u.record.EndedAt).Add(u.binding.DeleteAfter), u.awakeUntil), dueDelete, true
	}
	return time.Time{}, 0, false
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// drowse stops or destroys the sandbox if that is due, and else tells when it
// will be. What is under way is left alone: its end makes the sleeper look.
func (u *unit) drowse(now time.Time) (next time.Time, ok bool) {
	u.mu.Lock()
	at, does, ok := u.due()
	resting := u.step == nil
	u.mu.Unlock()
	switch {
	case !ok || !resting:
		return time.Time{}, false
	case at.After(now):
		return at, true
	case does == dueSleep && u.keptByConnections():
		return u.look()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	// It may have been used since it was looked at. From here on a use finds the
	// step and waits for it: it is never cut off.
	at, does, ok = u.due()
	if !ok || at.After(now) || u.step != nil {
		return at, ok && u.step == nil
	}
	if does == dueDelete {
		u.begin(stepDestroy, func(ctx context.Context, _ *step) error { return u.destroyUnused(ctx) })
	} else {
		u.begin(stepStop, func(ctx context.Context, _ *step) error { return u.sleep(ctx) })
	}
	return time.Time{}, false
}

// keptByConnections tells whether connections that nobody holds keep the sandbox
// awake. Nobody says when they end, so the whole span counts from the first look
// that finds none.
func (u *unit) keptByConnections() bool {
	n := u.m.config.Connections.Count(u.key.binding, u.key.id, 0)
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.connected
	u.connected = n > 0
	if before || n > 0 {
		u.touch()
	}
	return before || n > 0
}

// look tells when the sandbox is due.
func (u *unit) look() (at time.Time, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, _, ok = u.due()
	return at, ok
}

// sleep stops a sandbox that nobody uses.
func (u *unit) sleep(ctx context.Context) error {
	r, _ := u.recorded()
	after := r.sleepsAfter(&u.binding)
	err := u.stopStep(ctx, &abi.StopRequest{}, ended{why: whyIdle(after), reason: reasonSleep})
	u.tryLater(err)
	return err
}

// destroyUnused removes a sandbox that stayed stopped for long.
func (u *unit) destroyUnused(ctx context.Context) error {
	u.log.Info("removing a sandbox that stayed stopped", "for", u.binding.DeleteAfter)
	err := u.destroyStep(ctx)
	u.tryLater(err)
	return err
}

// tryLater has the sleeper leave the sandbox alone for a while after it could
// not do what was due.
func (u *unit) tryLater(err error) {
	if err == nil {
		return
	}
	u.log.Warn("an unused sandbox could not be put away; it is tried again", "in", retrySleep, "error", err)
	u.mu.Lock()
	u.awakeUntil = time.Now().Add(retrySleep)
	u.mu.Unlock()
}
