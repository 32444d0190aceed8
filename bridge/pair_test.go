package bridge

import (
	"errors"
	"testing"
)

// TestPairStopSpeaksFirst: a peer's end that a stop has brought about is not taken
// for how the bridge ended.
func TestPairStopSpeaksFirst(t *testing.T) {
	t.Parallel()
	p := new(pair)
	p.stop.Store(&stop{code: 1008, reason: "idle", err: ErrPolicy})
	p.note("backend eof", nil)
	if c := p.cause.Load(); c.text != "edge 1008 idle" || !errors.Is(c.err, ErrPolicy) {
		t.Errorf("cause %+v", c)
	}
}
