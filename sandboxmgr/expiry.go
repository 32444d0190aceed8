package sandboxmgr

import (
	"slices"
	"time"
)

// farAway is the pause when nothing is to be done.
const farAway = time.Hour

// maxExpiryPause bounds the pause: an end is a time of day, and the clock may be
// set, or the machine suspended, while timers see nothing of it.
const maxExpiryPause = 15 * time.Second

// expire removes each exposure when its time has come, and closes what has drained
// for long enough, until the manager is closed. A look-up checks the time itself:
// this closes what is open.
func (t *exposures) expire() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-t.m.ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
		timer.Reset(t.expireNow())
	}
}

// retryExpiry is the pause after the store refused a removal.
const retryExpiry = 5 * time.Second

// expireNow removes what has expired and returns when to look again.
func (t *exposures) expireNow() time.Duration {
	now := time.Now()
	next := t.endDrains(now)
	var gone []*savedExposure
	t.mu.RLock()
	for _, ports := range t.bySandbox {
		for _, s := range ports {
			switch {
			case s.ExpiresAt == nil:
			case s.expired(now):
				gone = append(gone, s)
			default:
				next = min(next, maxExpiryPause, s.ExpiresAt.Sub(now))
			}
		}
	}
	t.mu.RUnlock()
	if err := t.removeExpired(gone); err != nil && t.m.ctx.Err() == nil {
		t.m.log.Error("cannot remove expired exposures", "exposures", len(gone), "error", err)
		next = min(next, retryExpiry)
	}
	return next
}

// removeExpired removes those that were not exposed again meanwhile: all at once,
// because a disk may take longer for each than the second in which they are to end.
// What came through them is closed first: a look-up finds them no more, so nothing
// follows, whatever the store says.
func (t *exposures) removeExpired(gone []*savedExposure) error {
	if len(gone) == 0 {
		return nil
	}
	t.write.Lock()
	defer t.write.Unlock()
	gone = slices.DeleteFunc(gone, func(s *savedExposure) bool { return t.get(s.key, s.Port) != s })
	for _, s := range gone {
		t.m.config.Connections.Close(t.through(s.key, s.Port), closePolicy, whyExpired)
	}
	return t.erase(t.m.ctx, gone, whyExpired)
}

// nudge makes expire look again.
func (t *exposures) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
