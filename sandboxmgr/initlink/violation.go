package initlink

import (
	"errors"
	"os"
	"time"
)

// This many violations within this time make a link broken.
const (
	maxViolations   = 10
	violationWindow = 10 * time.Second
)

// violation counts one breach of the protocol; the connection on which it
// happened is dropped by the caller.
func (l *Link) violation(err error) {
	if l.count(time.Now()) {
		l.log.Error("init broke the protocol too often", "dir", l.cfg.Dir, "err", err)
		l.end(ErrBroken)
		return
	}
	l.log.Warn("init broke the protocol", "dir", l.cfg.Dir, "err", err)
}

// count adds a violation and tells whether it is one too many.
func (l *Link) count(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused || now.Before(l.excused) {
		return false
	}
	kept := l.violations[:0]
	for _, t := range l.violations {
		if now.Sub(t) < violationWindow {
			kept = append(kept, t)
		}
	}
	l.violations = append(kept, now)
	return len(l.violations) >= maxViolations
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
