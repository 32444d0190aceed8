package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// bring brings a sandbox into a state.
func (e *edge) bring(id string, st abi.State) *Sandbox {
	e.t.Helper()
	s := e.sandbox(id)
	if st == abi.StateAbsent {
		return s
	}
	_, m, _ := e.start(id)
	switch st {
	case abi.StateStopped:
		if _, err := s.Stop(e.t.Context(), &abi.StopRequest{}); err != nil {
			e.t.Fatal(err)
		}
	case abi.StateLost:
		m.end(137, true)
		eventually(e.t, "lost", func() bool { return e.state(id) == "lost" })
	}
	return s
}

func TestWake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		state   abi.State
		wake    abi.Wake
		upgrade bool
		code    abi.Code // of the error; empty: it runs
	}{
		{"running, never", abi.StateRunning, abi.WakeNever, false, ""},
		{"running, http for an upgrade", abi.StateRunning, abi.WakeHTTP, true, ""},
		{"stopped, default", abi.StateStopped, "", false, ""},
		{"stopped, default, upgrade", abi.StateStopped, "", true, ""},
		{"stopped, never", abi.StateStopped, abi.WakeNever, false, abi.CodeSandboxAsleep},
		{"stopped, never, upgrade", abi.StateStopped, abi.WakeNever, true, abi.CodeSandboxAsleep},
		{"stopped, http", abi.StateStopped, abi.WakeHTTP, false, ""},
		{"stopped, http for an upgrade", abi.StateStopped, abi.WakeHTTP, true, abi.CodeSandboxAsleep},
		{"stopped, ws", abi.StateStopped, abi.WakeWS, true, ""},
		{"stopped, ws for a request", abi.StateStopped, abi.WakeWS, false, abi.CodeSandboxAsleep},
		{"stopped, hold", abi.StateStopped, "hold(10s)", false, ""},
		{"absent, never", abi.StateAbsent, abi.WakeNever, false, abi.CodeSandboxAsleep},
		{"absent, default", abi.StateAbsent, "", false, ""},
		{"lost, never", abi.StateLost, abi.WakeNever, false, abi.CodeSandboxLost},
		{"lost, http for an upgrade", abi.StateLost, abi.WakeHTTP, true, abi.CodeSandboxLost},
		{"lost, default", abi.StateLost, "", false, ""},
		{"nonsense", abi.StateRunning, "soon", false, abi.CodeInvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			s := e.bring("s", tt.state)
			before, _ := e.w.count()
			run, release, err := s.Wake(t.Context(), tt.wake, tt.upgrade)
			defer release()
			if tt.code == "" {
				if err != nil || run.Generation == 0 {
					t.Fatalf("%+v, %v", run, err)
				}
				return
			}
			got := wantCode(t, err, tt.code)
			if after, _ := e.w.count(); after != before {
				t.Error("it was started")
			}
			switch tt.code {
			case abi.CodeSandboxAsleep:
				if got.RetryAfterMs <= 0 || !got.Retryable {
					t.Errorf("error %+v", got)
				}
			case abi.CodeSandboxLost:
				if string(got.Details) != `{"generation":1,"exitCode":137,"oomKilled":true}` {
					t.Errorf("details %s", got.Details)
				}
			}
		})
	}
}

// TestWakersShareOneStart holds a crowd, some of whom give up.
func TestWakersShareOneStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // nobody's hold ends because the machine is slow
		w := newWorld(t)
		arrived, proceed := make(chan struct{}), make(chan struct{})
		w.onStart = func(ctx context.Context, _ MachineSpec) error {
			close(arrived)
			select {
			case <-proceed:
			case <-ctx.Done():
			}
			return ctx.Err()
		}
		e := newEdge(t, w, newMemory(), nil)
		s := e.sandbox("s")
		_, release, err := s.Wake(t.Context(), "hold(5ms)", false)
		release()
		if got := wantCode(t, err, abi.CodeTimeout); got.Code.Status() != 504 {
			t.Errorf("status %d", got.Code.Status())
		}
		<-arrived
		if st := e.look("s"); st.State != abi.StateStarting || st.Why[0] != "a start" {
			t.Errorf("state %+v", st)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, release, err := s.Wake(gone, "", false); !errors.Is(err, context.Canceled) {
			t.Errorf("the one who went away: %v", err)
		} else {
			release()
		}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				wake := abi.Wake("hold(30s)")
				if i%5 == 0 {
					wake = abi.WakeNever // joins what others began
				}
				run, release, err := s.Wake(t.Context(), wake, i%2 == 0)
				defer release()
				if err != nil || run.Generation != 1 {
					t.Errorf("%+v, %v", run, err)
				}
			})
		}
		synctest.Wait() // all of them wait
		close(proceed)
		wg.Wait()
		if starts, _ := e.w.count(); starts != 1 {
			t.Errorf("%d starts", starts)
		}
	})
}

// TestWhatIsGoneIsNotLookedForInAnEmptySandbox wants operations on something that
// a start would not bring back to start nothing.
func TestWhatIsGoneIsNotLookedForInAnEmptySandbox(t *testing.T) {
	t.Parallel()
	operations := map[string]func(context.Context, *Sandbox) error{
		"getProcess": func(ctx context.Context, s *Sandbox) error {
			_, err := s.GetProcess(ctx, &abi.ProcessRequest{ProcessID: "p"})
			return err
		},
		"killProcess": func(ctx context.Context, s *Sandbox) error {
			_, err := s.KillProcess(ctx, &abi.KillRequest{ProcessID: "p"})
			return err
		},
		"getLogs": func(ctx context.Context, s *Sandbox) error {
			_, err := s.GetLogs(ctx, &abi.LogsRequest{ProcessID: "p"})
			return err
		},
		"streamLogs": func(ctx context.Context, s *Sandbox) error {
			_, err := s.StreamLogs(ctx, &abi.StreamLogsRequest{ProcessID: "p"})
			return err
		},
		"waitForLog": func(ctx context.Context, s *Sandbox) error {
			_, err := s.WaitForLog(ctx, &abi.WaitForLogRequest{ProcessID: "p", Pattern: "x"})
			return err
		},
		"waitForExit": func(ctx context.Context, s *Sandbox) error {
			_, err := s.WaitForExit(ctx, &abi.WaitForExitRequest{ProcessID: "p"})
			return err
		},
		"waitForPort": func(ctx context.Context, s *Sandbox) error {
			_, err := s.WaitForPort(ctx, &abi.WaitForPortRequest{Port: 8080, ProcessID: "p"})
			return err
		},
		"getSession": func(ctx context.Context, s *Sandbox) error {
			_, err := s.GetSession(ctx, &abi.SessionRequest{ID: "p"})
			return err
		},
		"deleteSession": func(ctx context.Context, s *Sandbox) error {
			_, err := s.DeleteSession(ctx, &abi.SessionRequest{ID: "p"})
			return err
		},
	}
	for op, do := range operations {
		missing := abi.CodeProcessNotFound
		if op == "getSession" || op == "deleteSession" {
			missing = abi.CodeSessionNotFound
		}
		for state, code := range map[abi.State]abi.Code{
			abi.StateAbsent: missing, abi.StateStopped: missing, abi.StateLost: abi.CodeSandboxLost, abi.StateRunning: "",
		} {
			t.Run(op+" of one that is "+string(state), func(t *testing.T) {
				t.Parallel()
				e := newEdge(t, newWorld(t), newMemory(), nil)
				e.w.handle["waitForExit"] = func(*machine, json.RawMessage) (any, error) { return &abi.ExitStatus{}, nil }
				s := e.bring("s", state)
				if m := e.w.machine("s"); m != nil {
					m.serve(8080, nil)
					m.mu.Lock()
					m.procs["p"] = &proc{Process: abi.Process{ID: "p", Status: abi.StatusRunning}, ended: make(chan struct{})}
					m.mu.Unlock()
				}
				before, _ := e.w.count()
				err := do(t.Context(), s)
				if code == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if got := wantCode(t, err, code); got.Operation != op {
					t.Errorf("operation %q", got.Operation)
				}
				if after, _ := e.w.count(); after != before {
					t.Error("it was started")
				}
			})
		}
	}
}

func TestDialRun(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m, run := e.start("s")
	m.serve(8080, nil)
	conn, err := s.DialRun(t.Context(), run.Generation, 8080)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.DialRun(t.Context(), run.Generation, 8080)
	wantCode(t, err, abi.CodeSandboxExited)
	if st := e.state("s"); st != "stopped" {
		t.Errorf("state %s: a dial of a run that is over started another", st)
	}
	e.start("s")
	_, err = s.DialRun(t.Context(), run.Generation, 8080)
	wantCode(t, err, abi.CodeSandboxExited)
	_, err = s.DialRun(t.Context(), 2, 1)
	wantCode(t, err, abi.CodeInvalidPort)
}

// TestWakeOfAnExposureIsRecorded wants it kept by a change that does not speak of
// it, and by a restart.
func TestWakeOfAnExposureIsRecorded(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.sandbox("s")
	for _, req := range []abi.ExposePortRequest{
		{Port: 8080, Wake: "hold(5s)", Access: abi.AccessPublic}, {Port: 8080, Wake: abi.WakeNever}, {Port: 8080, TTL: abi.Duration(time.Hour)},
	} {
		if _, err := s.ExposePort(t.Context(), &req); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080, Wake: "soon"})
	wantCode(t, err, abi.CodeInvalidRequest)
	e = successor(t, e, nil)
	if got, ok := e.ExposureByLabel("8080-s"); !ok || got.Wake != abi.WakeNever {
		t.Errorf("%+v, %v", got, ok)
	}
}

// TestReadyIsTheEndOfAStart: a run is ready when its start is over, for whoever asks,
// and one that an earlier edge started since that began.
func TestReadyIsTheEndOfAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onStart = func(context.Context, MachineSpec) error {
			time.Sleep(3 * time.Second)
			return nil
		}
		e := newEdge(t, w, newMemory(), nil)
		begun := time.Now()
		ready := begun.Add(3 * time.Second)
		for range 2 { // by whom it was started, and by another
			run, err := e.sandbox("s").Running(t.Context())
			if err != nil || run.Ready.Before(ready) {
				t.Errorf("running: ready %v after the start began, %v", run.Ready.Sub(begun), err)
			}
			run, release, err := e.sandbox("s").Wake(t.Context(), "", false)
			release()
			if err != nil || run.Ready.Before(ready) {
				t.Errorf("woken: ready %v after the start began, %v", run.Ready.Sub(begun), err)
			}
		}
		run, err := successor(t, e, nil).sandbox("s").Running(t.Context())
		if err != nil || !run.Ready.Equal(begun) {
			t.Errorf("adopted: ready %v after the start began, %v", run.Ready.Sub(begun), err)
		}
	})
}
