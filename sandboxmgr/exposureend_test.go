package sandboxmgr

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// TestOnRestart ends a sandbox in each way there is, with one exposure that ends with
// it and one that does not.
func TestOnRestart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, e *edge, s *Sandbox, m *machine) *edge
		gone bool
	}{
		{"nothing", func(_ *testing.T, e *edge, _ *Sandbox, _ *machine) *edge { return e }, false},
		{"stopped", func(t *testing.T, e *edge, s *Sandbox, _ *machine) *edge {
			if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
				t.Fatal(err)
			}
			return e
		}, true},
		{"lost", func(t *testing.T, e *edge, _ *Sandbox, m *machine) *edge {
			m.end(137, true) // it shows as lost before all has come of it
			eventually(t, "lost", func() bool { return slices.Contains(e.kinds(), EventLost) })
			return e
		}, true},
		{"the edge restarted", func(t *testing.T, e *edge, _ *Sandbox, _ *machine) *edge {
			e = successor(t, e, nil)
			e.start("s")
			return e
		}, false},
		{"gone while the edge was away", func(t *testing.T, e *edge, _ *Sandbox, m *machine) *edge {
			e.crash()
			m.end(0, false)
			e = successor(t, e, nil)
			eventually(t, "lost", func() bool { return e.state("s") == "lost" })
			return e
		}, true},
		{"paused", func(t *testing.T, e *edge, s *Sandbox, _ *machine) *edge {
			if _, err := s.Pause(t.Context(), &abi.Empty{}); err != nil {
				t.Fatal(err)
			}
			return e
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			s, m, _ := e.start("s")
			ends := expose(t, s, abi.ExposePortRequest{Port: 8080, OnRestart: "revoke"})
			stays := expose(t, s, abi.ExposePortRequest{Port: 8081})
			e = tt.end(t, e, s, m)
			if _, ok := e.ExposureByLabel(labelOf(stays)); !ok {
				t.Error("the other one ended as well")
			}
			if _, ok := e.ExposureByLabel(labelOf(ends)); ok == tt.gone {
				t.Errorf("found %v, want %v", ok, !tt.gone)
			}
			if _, err := e.store.Get(t.Context(), "exposure/B/s/8080"); errors.Is(err, ErrNoEntry) != tt.gone {
				t.Errorf("recorded: %v", err)
			}
		})
	}
}

// TestOnRestartBeforeTheFirstStart exposes before there is a machine: the exposure
// leads to the first one, and ends with it.
func TestOnRestartBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	p := expose(t, e.sandbox("s"), abi.ExposePortRequest{Port: 8080, OnRestart: "revoke"})
	s, _, _ := e.start("s")
	if _, ok := e.ExposureByLabel(labelOf(p)); !ok {
		t.Fatal("it ended with a start")
	}
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.ExposureByLabel(labelOf(p)); ok {
		t.Error("it did not end")
	}
}

// TestOnRestartOnAFullDisk runs on a clock of its own.
func TestOnRestartOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.StateDir = dir })
		defer e.Close()
		s, m, _ := e.start("s")
		p := expose(t, s, abi.ExposePortRequest{Port: 8080, OnRestart: "revoke"})
		e.store.full.Store(true)
		m.end(1, false)
		synctest.Wait()
		if _, ok := e.ExposureByLabel(labelOf(p)); ok {
			t.Error("it is served although its sandbox has ended")
		}
		e.store.full.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, err := e.store.Get(t.Context(), "exposure/B/s/8080"); !errors.Is(err, ErrNoEntry) {
			t.Errorf("it is still recorded: %v", err)
		}
		if got := e.conns.list(); !slices.Contains(got, "B/s:8080 1008") {
			t.Errorf("closed %v", got)
		}
	})
}

// TestExpiryToTheSecond has exposures end one second after the other.
func TestExpiryToTheSecond(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.StateDir = dir })
		defer e.Close()
		s := e.sandbox("s")
		const n = 40
		for i := range n {
			expose(t, s, abi.ExposePortRequest{Port: 8000 + i, TTL: abi.Duration(time.Duration(i+1) * time.Second)})
		}
		for i := range n {
			time.Sleep(time.Second)
			synctest.Wait()
			if closed := len(e.conns.list()); closed != i+1 || len(s.Exposures()) != n-i-1 {
				t.Fatalf("after %d s: %d closed, %d exposed", i+1, closed, len(s.Exposures()))
			}
		}
	})
}
