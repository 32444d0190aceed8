package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// successor starts an edge with the state folder of one that crashed.
func successor(t *testing.T, old *edge, change func(*Config)) *edge {
	t.Helper()
	old.crash()
	return newEdge(t, old.w, old.disk, func(c *Config) {
		c.StateDir = old.config.StateDir
		if change != nil {
			change(c)
		}
	})
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // processes are counted within countTimeout
		e := newEdge(t, newWorld(t), newMemory(), nil)
		s, m, _ := e.start("s")
		if _, err := s.StartProcess(t.Context(), &abi.StartProcessRequest{ProcessID: "server", Command: "serve"}); err != nil {
			t.Fatal(err)
		}
		m.print("server", "up\n", "")
		exposed, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080})
		if err != nil {
			t.Fatal(err)
		}

		e = successor(t, e, nil)
		s, _, run := e.start("s")
		if run.Generation != 1 || run.Started {
			t.Errorf("run %+v, want generation 1 again", run)
		}
		logs, err := s.GetLogs(t.Context(), &abi.LogsRequest{ProcessID: "server"})
		if err != nil || logs.Stdout != "up\n" {
			t.Errorf("logs %+v, %v", logs, err)
		}
		list, err := s.GetExposedPorts(t.Context(), &abi.Empty{})
		if err != nil || len(list.Ports) != 1 || list.Ports[0].URL != exposed.URL {
			t.Errorf("exposed %+v, %v; want %s", list, err, exposed.URL)
		}
		if starts, _ := e.w.count(); starts != 1 {
			t.Errorf("%d starts", starts)
		}
		if st, err := s.GetState(t.Context(), &abi.Empty{}); err != nil || st.State != "running" || st.Processes != 1 {
			t.Errorf("state %+v, %v", st, err)
		}
		eventually(t, "event", func() bool { return slices.Equal(e.kinds(), []EventKind{EventAdopted}) })
		m.end(0, false) // an adopted machine is watched like any other
		<-run.Ended
	})
}

// TestCrashDuringSetEnvVars ends the edge between the record of a variable and its
// init: the next edge tells it.
func TestCrashDuringSetEnvVars(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, m, _ := e.start("s")
	arrived, ctx := make(chan struct{}), e.ctx
	w.set(func() {
		w.handle["setEnvVars"] = func(*machine, json.RawMessage) (any, error) {
			close(arrived)
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	failed := make(chan error, 1)
	go func() { _, err := s.SetEnvVars(t.Context(), vars("A", "1")); failed <- err }()
	<-arrived
	e.crash()
	if err := <-failed; err == nil {
		t.Error("a variable was set by an edge that ended")
	}
	w.set(func() { delete(w.handle, "setEnvVars") })

	e = successor(t, e, nil)
	e.start("s")
	m.mu.Lock()
	defer m.mu.Unlock()
	if want := map[string]string{"A": "1"}; !maps.Equal(m.env, want) {
		t.Errorf("variables %v, want %v", m.env, want)
	}
}

// TestBindingWithAnotherRuntime restarts the edge with another runtime and back:
// the sandbox is out of reach meanwhile, not lost and not made a second time. The error
// says so, and not that the runtime, which is well, does not answer.
func TestBindingWithAnotherRuntime(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	e.start("s")
	other := newWorld(t)
	other.name = "other"
	e = successor(t, e, func(c *Config) { c.Bindings["B"], c.OpenInit = Binding{Runtime: other}, other.openInit })
	_, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	if want := "made by the fake runtime, and its binding uses other now"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if starts, _ := other.count(); starts != 0 {
		t.Errorf("%d starts in the other runtime", starts)
	}
	e.start("new") // what is new is made there

	e = successor(t, e, nil)
	if _, _, run := e.start("s"); run.Generation != 1 || run.Started {
		t.Errorf("run %+v, want generation 1 again", run)
	}
}

// TestDestroyWhatAnotherRuntimeMade: it has to go through the runtime that made it, also
// if that was down meanwhile, and its name is free for the new one afterwards.
func TestDestroyWhatAnotherRuntimeMade(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	other.name = "other"
	e := newEdge(t, w, newMemory(), nil)
	_, m, _ := e.start("s")
	_, unopened, _ := e.start("u")
	change := func(c *Config) { c.Bindings["B"], c.OpenInit = Binding{Runtime: other}, other.openInit }
	e = successor(t, e, change)
	_, err := e.sandbox("u").Destroy(t.Context(), &abi.Empty{})
	wantCode(t, err, abi.CodeRuntimeUnavailable)

	e = successor(t, e, func(c *Config) {
		change(c)
		c.Earlier = func(_ context.Context, name string) (Runtime, error) {
			if name != w.name {
				return nil, fmt.Errorf("there is no runtime %q", name)
			}
			return w, nil
		}
	})
	eventually(t, "absent", func() bool { return e.state("u") == "absent" && !unopened.running() })
	w.set(func() { w.down = true })
	_, err = e.sandbox("s").Destroy(t.Context(), &abi.Empty{})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	w.set(func() { w.down = false })
	if _, err := e.sandbox("s").Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	if m.running() || e.state("s") != "absent" {
		t.Errorf("the machine runs: %v, the sandbox is %s", m.running(), e.state("s"))
	}
	eventually(t, "made by the other runtime", func() bool {
		_, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"})
		starts, _ := other.count()
		return err == nil && starts == 1
	})
}

func TestAdoptionFindsNothing(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	_, m, _ := e.start("s")
	e.crash()
	m.end(1, false)
	e = successor(t, e, nil)
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
	if _, _, run := e.start("s"); run.Generation != 2 || !run.Started {
		t.Errorf("run %+v, want a new generation", run)
	}
}

func TestMachineStartedAnewByOthersIsLost(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	_, m, _ := e.start("s")
	e.crash()
	m.boot = "another"
	e = successor(t, e, nil)
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
	if m.running() {
		t.Error("the stranger runs on")
	}
}

func TestOperationsWaitForAdoption(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	e.start("s")
	e.crash()
	e.w.set(func() { e.w.mute = true })
	e = successor(t, e, nil)
	got := make(chan error, 1)
	go func() {
		_, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"})
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("exec did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	e.w.set(func() { e.w.mute = false })
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestStopAndDestroyWorkOnASilentMachine(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stop", "destroy"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			_, m, _ := e.start("s")
			e.crash()
			e.w.set(func() { e.w.mute = true })
			e = successor(t, e, nil)
			var err error
			if how == "stop" {
				_, err = e.sandbox("s").Stop(t.Context(), &abi.StopRequest{})
			} else {
				_, err = e.sandbox("s").Destroy(t.Context(), &abi.Empty{})
			}
			if err != nil || m.running() {
				t.Fatalf("%s: %v, running: %v", how, err, m.running())
			}
			if st, want := e.state("s"), map[string]string{"stop": "stopped", "destroy": "absent"}[how]; st != want {
				t.Errorf("state %s, want %s", st, want)
			}
		})
	}
}

func TestRuntimeDownWhenTheEdgeStarts(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	e.start("a")
	e.start("b")
	e.crash()
	e.w.set(func() { e.w.down = true })
	e = successor(t, e, nil)
	for range 3 {
		for _, op := range []func(*Sandbox) error{
			func(s *Sandbox) error { _, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}); return err },
			func(s *Sandbox) error { _, err := s.GetState(t.Context(), &abi.Empty{}); return err },
			func(s *Sandbox) error { _, err := s.Running(t.Context()); return err },
		} {
			got := wantCode(t, op(e.sandbox("a")), abi.CodeRuntimeUnavailable)
			if !got.Retryable || got.Code.Status() != 503 {
				t.Errorf("error %+v", got)
			}
		}
	}
	if err := e.Ready(t.Context()); !errors.Is(err, ErrRuntimeDown) {
		t.Errorf("ready: %v", err)
	}
	if n := e.log.count("runtime unavailable;"); n != 1 {
		t.Errorf("said %d times that the runtime is down", n)
	}
	e.w.set(func() { e.w.down = false })
	eventually(t, "adoption", func() bool { return len(e.pending()) == 0 })
	for _, id := range []string{"a", "b"} {
		if _, _, run := e.start(id); run.Generation != 1 || run.Started {
			t.Errorf("%s: %+v", id, run)
		}
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	if n := e.log.count("runtime is back"); n != 1 {
		t.Errorf("said %d times that the runtime is back", n)
	}
}

func TestCrashDuringStart(t *testing.T) {
	t.Parallel()
	for _, machineMade := range []bool{false, true} {
		t.Run(fmt.Sprint("machine made: ", machineMade), func(t *testing.T) {
			t.Parallel()
			autostart := func(c *Config) {
				b := c.Bindings["B"]
				b.Start = []Autostart{
					{StartProcessRequest: abi.StartProcessRequest{ProcessID: "one", Command: "1"}},
					{StartProcessRequest: abi.StartProcessRequest{ProcessID: "two", Command: "2"}},
				}
				c.Bindings["B"] = b
			}
			w := newWorld(t)
			e := newEdge(t, w, newMemory(), autostart)
			arrived := make(chan struct{})
			hang := func(ctx context.Context) error { close(arrived); <-ctx.Done(); return ctx.Err() }
			if machineMade {
				w.handle["startProcess"] = func(m *machine, body json.RawMessage) (any, error) {
					if len(m.processIDs()) == 1 {
						return nil, hang(e.ctx)
					}
					return m.startProcess(body)
				}
			} else {
				w.onStart = func(ctx context.Context, _ MachineSpec) error { return hang(ctx) }
			}
			failed := make(chan error, 1)
			go func() { _, err := e.sandbox("s").Running(t.Context()); failed <- err }()
			<-arrived
			e.crash()
			wantCode(t, <-failed, abi.CodeRuntimeUnavailable)
			w.set(func() { w.onStart = nil; delete(w.handle, "startProcess") })

			e = successor(t, e, autostart)
			_, m, run := e.start("s")
			want := int64(2) // a number is never given twice
			if machineMade {
				want = 1
			}
			if run.Generation != want {
				t.Errorf("generation %d, want %d", run.Generation, want)
			}
			if ids := m.processIDs(); !slices.Equal(ids, []string{"one", "two"}) {
				t.Errorf("processes %v", ids)
			}
			if starts, running := w.count(); starts != 1 || running != 1 {
				t.Errorf("%d starts, %d machines", starts, running)
			}
		})
	}
}

func TestCrashDuringStopAndDestroy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		end  func(context.Context, *Sandbox) error
		want string
	}{
		"stop":    {func(ctx context.Context, s *Sandbox) error { _, err := s.Stop(ctx, &abi.StopRequest{}); return err }, "stopped"},
		"destroy": {func(ctx context.Context, s *Sandbox) error { _, err := s.Destroy(ctx, &abi.Empty{}); return err }, "absent"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := newEdge(t, w, newMemory(), nil)
			s, m, _ := e.start("s")
			arrived, ctx := make(chan struct{}), e.ctx
			hang := func() error { close(arrived); <-ctx.Done(); return ctx.Err() }
			w.set(func() {
				w.handle["shutdown"] = func(*machine, json.RawMessage) (any, error) { return nil, abi.Errorf(abi.CodeUnsupported, "no") }
				w.onStop = func(context.Context) error { return hang() }
				w.onRemove = hang
			})
			failed := make(chan error, 1)
			go func() { failed <- tt.end(t.Context(), s) }()
			<-arrived
			e.crash()
			wantCode(t, <-failed, abi.CodeRuntimeUnavailable)
			if !m.running() {
				t.Fatal("the test did not crash in between")
			}
			w.set(func() { w.onStop, w.onRemove = nil, nil; delete(w.handle, "shutdown") })
			e = successor(t, e, nil)
			eventually(t, tt.want, func() bool { return e.state("s") == tt.want && !m.running() })
		})
	}
}

func TestDestroyWhileTheRuntimeIsDownIsCompletedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, m, run := e.start("s")
	w.set(func() { w.down = true })
	_, err := s.Destroy(t.Context(), &abi.Empty{})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	<-run.Ended
	_, err = s.Running(t.Context())
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	_, err = s.Stop(t.Context(), &abi.StopRequest{}) // no way back
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	w.set(func() { w.down = false })
	eventually(t, "absent", func() bool { return e.state("s") == "absent" && !m.running() })
}

func TestCloseLeavesSandboxesRunning(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m, run := e.start("s")
	calling, inFlight := make(chan struct{}), make(chan error, 1)
	e.w.set(func() {
		e.w.handle["exec"] = func(m *machine, _ json.RawMessage) (any, error) { close(calling); <-m.ended; return nil, errLinkLost }
	})
	go func() { _, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}); inFlight <- err }()
	<-calling
	defer m.end(0, false)
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-run.Ended:
		t.Error("the run is said to have ended")
	default:
	}
	if !m.running() || len(e.conns.list()) != 0 {
		t.Error("the machine was touched")
	}
	if got := wantCode(t, <-inFlight, abi.CodeRuntimeUnavailable); got.Started != abi.StartedMaybe {
		t.Errorf("the call under way: %+v", got)
	}
	_, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	_, err = s.Destroy(t.Context(), &abi.Empty{})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
}

// TestCallsDuringClose: calls that come while sandboxes are let go of are
// answered, and do not stand in the way of Close nor it in theirs.
func TestCallsDuringClose(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, _, _ := e.start("s")
	answered := make(chan error, 1)
	e.w.set(func() {
		e.w.onLetGo = func() {
			go func() { _, err := s.Destroy(context.Background(), &abi.Empty{}); answered <- err }()
			select {
			case err := <-answered:
				answered <- err
			case <-time.After(waitBound):
				t.Error("a call waits for Close, which waits for the machine")
			}
		}
	})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	wantCode(t, <-answered, abi.CodeRuntimeUnavailable)
}

func TestStrayMachinesAreRemoved(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	_, mine, _ := e.start("s")
	stray := func(name string, labels map[string]string) {
		if _, err := e.w.Start(t.Context(), MachineSpec{Name: name, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	stray("edge."+e.owner+".B.stray", map[string]string{LabelOwner: e.owner})
	stray("edge."+e.owner+".Gone.x", map[string]string{LabelOwner: e.owner}) // its binding is not configured
	stray("edge.other.B.x", map[string]string{LabelOwner: "other"})
	stray("edge.other.B.y", map[string]string{LabelOwner: e.owner})
	stray("edge."+e.owner+".B.s.copy", map[string]string{LabelOwner: e.owner})
	e = successor(t, e, nil)
	eventually(t, "removal", func() bool { _, n := e.w.count(); return n == 5 })
	if e.w.machine("stray") != nil {
		t.Error("the stray machine is still there")
	}
	if !mine.running() {
		t.Error("a recorded machine was removed")
	}
}

func TestRecordOfAnUnknownBindingIsLeftAlone(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s := e.handle(abi.SandboxRef{Binding: "C", ID: "s"})
	if _, err := s.Running(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic}); err != nil {
		t.Fatal(err)
	}
	e = successor(t, e, func(c *Config) { delete(c.Bindings, "C") })
	if _, ok := e.ExposureByLabel("8080-s"); ok || len(e.List()) != 0 {
		t.Error("the sandbox of a binding that is not configured shows")
	}
	e = successor(t, e, nil)
	if _, ok := e.ExposureByLabel("8080-s"); !ok || len(e.List()) != 1 {
		t.Error("the sandbox was forgotten meanwhile")
	}
}

func TestUnwritableStore(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	e.store.full.Store(true)
	_, err := e.sandbox("s").Running(t.Context())
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	_, err = e.sandbox("s").ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	if starts, _ := e.w.count(); starts != 0 {
		t.Error("a machine was started that is not recorded")
	}
	if _, ok := e.exposures.ofPort(key{"B", "s"}, 8080); ok {
		t.Error("an exposure is served that is not recorded")
	}
}

func TestDamagedRecordsAreReported(t *testing.T) {
	t.Parallel()
	for _, entry := range []Change{
		{Key: "sandbox/B/s", Value: []byte("{"), Expect: 0},
		{Key: "sandbox/nonsense", Value: []byte("{}"), Expect: 0},
		{Key: "exposure/B/s/8080", Value: []byte("{"), Expect: 0},
		{Key: "exposure/B/s/x", Value: []byte("{}"), Expect: 0},
		{Key: "exposure/B", Value: []byte("{}"), Expect: 0},
	} {
		store := &handle{memory: newMemory()}
		if _, err := store.Commit(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		m, err := New(t.Context(), Config{StateDir: t.TempDir(), Store: store, Bindings: map[string]Binding{"B": {Runtime: w}}, OpenInit: w.openInit})
		if err == nil {
			_ = m.Close()
			t.Errorf("%s: no error", entry.Key)
		}
	}
}

func TestRunFoldersArePrivate(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	if fi, err := os.Stat(e.config.StateDir + "/run"); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("run: %v, %v", fi, err)
	}
}
