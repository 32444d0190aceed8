package sandboxmgr

import (
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// TestExecStreamEndsInTime has an init that never says anything: the host ends
// the stream, and nothing keeps the sandbox awake any more. The clock is the
// test's own.
func TestExecStreamEndsInTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, newWorld(t), newMemory(), func(c *Config) {
			c.StateDir = dir
			binding(func(b *Binding) { b.ExecTimeout = time.Minute })(c)
		})
		defer e.Close()
		s, _, _ := e.start("s")
		for _, tt := range []struct{ asked, want time.Duration }{{time.Second, time.Second}, {0, time.Minute}} {
			began := time.Now()
			sock, err := s.ExecStream(t.Context(), &abi.ExecStreamRequest{Command: "x", Timeout: abi.Duration(tt.asked)})
			if err != nil {
				t.Fatal(err)
			}
			if why := e.look("s").Why; len(why) == 0 {
				t.Error("an open stream does not keep the sandbox awake")
			}
			_, _, err = sock.Receive(t.Context())
			if got := wantCode(t, err, abi.CodeTimeout); got.Operation != "execStream" {
				t.Errorf("error of %q", got.Operation)
			}
			if took := time.Since(began); took < tt.want || took > tt.want+time.Minute {
				t.Errorf("ended after %s", took)
			}
			if why := e.look("s").Why; len(why) != 0 && why[0] == "execStream" {
				t.Errorf("kept awake by %v", why)
			}
			_ = sock.Close(1000, "")
		}
		sock, err := s.ExecStream(t.Context(), &abi.ExecStreamRequest{Command: "x"})
		if err != nil {
			t.Fatal(err)
		}
		_ = sock.Close(1000, "")
		if _, _, err := sock.Receive(t.Context()); abi.AsError(err).Code == abi.CodeTimeout {
			t.Errorf("a stream that was closed ends with %v", err)
		}
	})
}
