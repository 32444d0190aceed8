package host

import (
	"context"
	"testing"
	"time"

	"edge/abi"
)

// TestSilentBodyOpensNothing has a client withhold the body that a plugin waits for
// until that misses its deadline: the plugin is not passed over for it.
func TestSilentBodyOpensNothing(t *testing.T) {
	t.Parallel()
	guard := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		type deadliner interface{ SetReadDeadline(time.Time) error }
		if body, ok := req.Body.(deadliner); ok {
			_ = body.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		}
		if _, err := req.Body.Read(make([]byte, 1)); err != nil {
			return nil, abi.Errorf(abi.CodeTimeout, "plugin guard did not answer in time")
		}
		return &abi.Next{}, nil
	})
	chain := []Plugin{
		{Name: "guard", Decider: guard, OnFailure: OnFailure{Open: true}},
		{Name: "inner", Decider: always(text(200, "secret"))},
	}
	r := start(t, &Server{}, []Route{{Chain: chain}})
	c := r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	if got := c.answer("POST"); got.StatusCode != 504 {
		t.Errorf("the client is answered %d %s, want 504", got.StatusCode, got.body)
	}
}
