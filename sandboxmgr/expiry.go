package sandboxmgr

import "time"

// farAway is the pause when nothing is to be done.
const farAway = time.Hour

// maxExpiryPause bounds the pause: an expiry is a time of day, and the clock may be
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
	for _, s := range gone {
		if err := t.removeExpired(s); err != nil && t.m.ctx.Err() == nil {
			t.m.log.Error("cannot remove an expired exposure", "sandbox", s.key.String(), "port", s.Port, "error", err)
			next = min(next, retryExpiry)
		}
	}
	return next
}

// removeExpired removes s unless it was exposed again meanwhile.
func (t *exposures) removeExpired(s *savedExposure) error {
	t.write.Lock()
	defer t.write.Unlock()
	if t.get(s.key, s.Port) != s {
		return nil
	}
	return t.remove(t.m.ctx, []*savedExposure{s}, closePolicy, whyExpired)
}

// nudge makes expire look again.
func (t *exposures) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
