package sandboxmgr

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

func unexpose(t *testing.T, s *Sandbox, port int, drain time.Duration) {
	t.Helper()
	if _, err := s.UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: port, Drain: abi.Duration(drain)}); err != nil {
		t.Fatal(err)
	}
}

// TestDrain runs on a clock of its own.
func TestDrain(t *testing.T) {
	t.Parallel()
	const web, other = "B/s:8080", "B/s:8081"
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, e *edge, s *Sandbox)
		// closed is what was closed a second after each of these.
		at     []time.Duration
		closed [][]string
	}{
		{"none", func(t *testing.T, _ *edge, s *Sandbox) {
			unexpose(t, s, 8080, 0)
		}, []time.Duration{0}, [][]string{{web + "#0 1008"}}},
		{"a minute", func(t *testing.T, _ *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Minute)
		}, []time.Duration{58 * time.Second, time.Minute}, [][]string{nil, {web + "#0 1008"}}},
		{"shortened", func(t *testing.T, _ *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Hour)
			unexpose(t, s, 8080, time.Minute)
			unexpose(t, s, 8081, 0)
		}, []time.Duration{0, time.Minute}, [][]string{{other + "#1 1008"}, {web + "#0 1008"}}},
		{"not lengthened", func(t *testing.T, _ *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Minute)
			unexpose(t, s, 8080, time.Hour)
		}, []time.Duration{time.Minute}, [][]string{{web + "#0 1008"}}},
		{"ended", func(t *testing.T, _ *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Hour)
			unexpose(t, s, 8080, 0)
		}, []time.Duration{0}, [][]string{{web + "#0 1008"}}},
		{"exposed again", func(t *testing.T, e *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Minute)
			expose(t, s, abi.ExposePortRequest{Port: 8080})
			e.conns.connect(web)
		}, []time.Duration{time.Minute, time.Hour}, [][]string{{web + "#0 1008"}, nil}},
		{"exposed again and moved", func(t *testing.T, e *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Minute)
			expose(t, s, abi.ExposePortRequest{Port: 8080})
			e.conns.connect(web)
			expose(t, s, abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
		}, []time.Duration{0, time.Minute}, [][]string{{web + "#2 1008"}, {web + "#0 1008"}}},
		{"exposed again and taken back", func(t *testing.T, e *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Hour)
			expose(t, s, abi.ExposePortRequest{Port: 8080})
			e.conns.connect(web)
			unexpose(t, s, 8080, time.Minute)
		}, []time.Duration{0, time.Minute}, [][]string{nil, {web + "#0 1008", web + "#2 1008"}}},
		{"exposed again with an end", func(t *testing.T, e *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Hour)
			expose(t, s, abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(time.Minute)})
			e.conns.connect(web)
		}, []time.Duration{time.Minute, time.Hour}, [][]string{{web + "#2 1008"}, {web + "#0 1008"}}},
		{"longer than the exposure", func(t *testing.T, _ *edge, s *Sandbox) {
			expose(t, s, abi.ExposePortRequest{Port: 8080, TTL: abi.Duration(time.Minute)})
			unexpose(t, s, 8080, time.Hour)
		}, []time.Duration{time.Minute}, [][]string{{web + "#0 1008"}}},
		{"destroyed", func(t *testing.T, _ *edge, s *Sandbox) {
			unexpose(t, s, 8080, time.Hour)
			if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
				t.Fatal(err)
			}
		}, []time.Duration{0}, [][]string{{web + "#0 1008", other + "#1 1012"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.StateDir = dir })
				defer e.Close()
				s := e.sandbox("s")
				first := expose(t, s, abi.ExposePortRequest{Port: 8080})
				expose(t, s, abi.ExposePortRequest{Port: 8081})
				e.conns.connect(web)
				e.conns.connect(other)
				tt.do(t, e, s)
				if _, ok := e.ExposureByLabel(labelOf(first)); ok {
					t.Error("the URL is served while it drains")
				}
				began, seen := time.Now(), 0
				for i, after := range tt.at {
					time.Sleep(after + time.Second - time.Since(began))
					synctest.Wait()
					closed := e.conns.list()
					if got := slices.Sorted(slices.Values(closed[seen:])); !slices.Equal(got, tt.closed[i]) {
						t.Errorf("after %s: closed %q, want %q", after, got, tt.closed[i])
					}
					seen = len(closed)
				}
				e.exposures.mu.RLock()
				defer e.exposures.mu.RUnlock()
				if n := len(e.exposures.drains); n != 0 {
					t.Errorf("%d drains are left", n)
				}
			})
		})
	}
}

func TestDrainIsChecked(t *testing.T) {
	t.Parallel()
	s := newEdge(t, newWorld(t), newMemory(), nil).sandbox("s")
	for _, drain := range []time.Duration{-1, time.Hour + 1} {
		_, err := s.UnexposePort(t.Context(), &abi.UnexposePortRequest{Port: 8080, Drain: abi.Duration(drain)})
		wantCode(t, err, abi.CodeInvalidRequest)
	}
}

// TestDrainOutlivesNoEdge restarts the edge while it drains: the exposure stays gone.
func TestDrainOutlivesNoEdge(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	p := expose(t, s, abi.ExposePortRequest{Port: 8080})
	unexpose(t, s, 8080, time.Hour)
	e = successor(t, e, nil)
	if _, ok := e.ExposureByLabel(labelOf(p)); ok {
		t.Error("the exposure came back")
	}
	if next := expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080}); next.URL == p.URL {
		t.Error("the URL came back")
	}
}
