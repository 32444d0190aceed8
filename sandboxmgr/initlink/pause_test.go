package initlink

import (
	"errors"
	"log/slog"
	"testing"
	"time"
)

// TestSilenceOfAPausedSandboxIsNoBreach counts violations while it is frozen, in
// the moment after, and later.
func TestSilenceOfAPausedSandboxIsNoBreach(t *testing.T) {
	t.Parallel()
	l := &Link{log: slog.New(slog.DiscardHandler)}
	now := time.Now()
	breach := func(at time.Time) (broken bool) {
		for range 2 * maxViolations {
			broken = l.count(at) || broken
		}
		return broken
	}
	l.SetPaused(true)
	if breach(now) {
		t.Error("the silence of a frozen init counts")
	}
	l.SetPaused(false)
	if breach(now) {
		t.Error("calls that were under way while it was frozen count")
	}
	if !breach(now.Add(2 * violationWindow)) {
		t.Error("violations do not count any more")
	}
	if errors.Is(l.err, ErrBroken) {
		t.Error("counting ended the link")
	}
}
