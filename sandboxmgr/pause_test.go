package sandboxmgr

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

func (e *edge) pause(id string) (*Sandbox, *machine) {
	e.t.Helper()
	s, m, _ := e.start(id)
	st, err := s.Pause(e.t.Context(), &abi.Empty{})
	if err != nil || !st.Paused || st.State != abi.StateRunning || m.isFrozen() == nil {
		e.t.Fatalf("pause = %+v, %v", st, err)
	}
	return s, m
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m := e.pause("s")
	u := e.acquire(key{"B", "s"})
	g := u.current
	e.release(u)
	if !g.init.(*link).paused.Load() {
		t.Error("the init's end was not told")
	}
	if st, err := s.Pause(t.Context(), &abi.Empty{}); err != nil || !st.Paused {
		t.Errorf("second pause = %+v, %v", st, err)
	}
	if st := e.look("s"); !st.Paused || m.isFrozen() == nil {
		t.Errorf("looking at it resumed it: %+v", st)
	}
	for range 2 {
		if st, err := s.Resume(t.Context(), &abi.Empty{}); err != nil || st.Paused || m.isFrozen() != nil {
			t.Fatalf("resume = %+v, %v", st, err)
		}
	}
	if g.init.(*link).paused.Load() {
		t.Error("the init's end was not told that it runs on")
	}
	for _, state := range []abi.State{abi.StateAbsent, abi.StateStopped} { // nothing to freeze
		o := e.bring(string(state), state)
		if st, err := o.Pause(t.Context(), &abi.Empty{}); err != nil || st.Paused || st.State != state {
			t.Errorf("pause of one that is %s = %+v, %v", state, st, err)
		}
		if st, err := o.Resume(t.Context(), &abi.Empty{}); err != nil || st.State != state {
			t.Errorf("resume of one that is %s = %+v, %v", state, st, err)
		}
	}
}

// TestEveryUseResumes wants whatever uses a paused sandbox to resume it, and a
// crowd to do it once.
func TestEveryUseResumes(t *testing.T) {
	t.Parallel()
	uses := map[string]func(*testing.T, *Sandbox) error{
		"exec": func(t *testing.T, s *Sandbox) error {
			_, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
			return err
		},
		"start":   func(t *testing.T, s *Sandbox) error { _, err := s.Start(t.Context(), &abi.Empty{}); return err },
		"running": func(t *testing.T, s *Sandbox) error { _, err := s.Running(t.Context()); return err },
		"wake": func(t *testing.T, s *Sandbox) error {
			_, release, err := s.Wake(t.Context(), abi.WakeNever, false)
			release()
			return err
		},
		"stream": func(t *testing.T, s *Sandbox) error {
			sock, err := s.Terminal(t.Context(), &abi.TerminalRequest{})
			if err == nil {
				err = sock.Close(1000, "")
			}
			return err
		},
		"dial": func(t *testing.T, s *Sandbox) error {
			c, err := s.DialRun(t.Context(), 1, 8080)
			if err == nil {
				err = c.Close()
			}
			return err
		},
		"getSession": func(t *testing.T, s *Sandbox) error {
			_, err := s.GetSession(t.Context(), &abi.SessionRequest{ID: "x"})
			return err
		},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			s, m := e.pause("s")
			m.serve(8080, nil)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if err := use(t, s); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if st := e.look("s"); st.Paused || st.Generation != 1 {
				t.Errorf("state %+v", st)
			}
			if n := e.log.count("sandbox resumed"); n != 1 {
				t.Errorf("resumed %d times", n)
			}
		})
	}
}

func TestStopAndDestroyOfAPausedOne(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m := e.pause("s")
	st, err := s.Stop(t.Context(), &abi.StopRequest{})
	if err != nil || st.State != abi.StateStopped || st.Paused || *st.ExitCode != 0 || len(m.shutdown) != 1 {
		t.Errorf("stop = %+v, %v; asked %d times", st, err, len(m.shutdown))
	}
	s, m = e.pause("s")
	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil || m.running() {
		t.Errorf("destroy: %v", err)
	}
	s, m = e.pause("s")
	m.end(1, false)
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
	if _, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
		t.Error(err)
	}
}

// What is paused stays as it was left: it does not sleep before it runs on.
func TestAPausedOneDoesNotSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // or it might sleep before it is paused
		const after = 10 * time.Millisecond
		e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) { b.SleepAfter = after }))
		s, _ := e.pause("s")
		if st := e.look("s"); st.SleepsAt != nil || !slices.Contains(st.Why, "paused") {
			t.Errorf("it sleeps at %v; kept awake by %v", st.SleepsAt, st.Why)
		}
		u := e.units[s.key]
		if _, ok := u.drowse(time.Now().Add(time.Hour)); ok || e.state("s") != "running" {
			t.Errorf("an hour later it is %s", e.state("s"))
		}
		if _, err := s.Resume(t.Context(), &abi.Empty{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "sleep", func() bool { return e.state("s") == "stopped" })
	})
}

func TestAdoptionOfAPausedOne(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	_, m := e.pause("s")
	e = successor(t, e, nil)
	if st := e.look("s"); !st.Paused || st.State != abi.StateRunning {
		t.Fatalf("state %+v", st)
	}
	if m.isFrozen() == nil {
		t.Error("the adoption resumed it")
	}
	if _, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
		t.Fatal(err)
	}
	if st := e.look("s"); st.Paused || st.Generation != 1 {
		t.Errorf("state %+v", st)
	}

	e.pause("s") // and one that somebody started anew meanwhile
	e.crash()
	m.boot = "another"
	e = successor(t, e, nil)
	if _, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
		t.Fatal(err)
	}
	if st := e.look("s"); st.Generation != 2 {
		t.Errorf("state %+v", st)
	}
}

func TestPauseThatTheRuntimeCannot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.noPause = true
	e := newEdge(t, w, newMemory(), nil)
	s, _, _ := e.start("s")
	_, err := s.Pause(t.Context(), &abi.Empty{})
	if got := wantCode(t, err, abi.CodeUnsupported); got.Operation != "pause" {
		t.Errorf("error %+v", got)
	}
	if st := e.look("s"); st.Paused {
		t.Errorf("state %+v", st)
	}
}
