package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

func TestFirstUseStartsOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	const callers = 100
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			run, err := e.sandbox("one").Running(t.Context())
			if err != nil || run.Generation != 1 {
				t.Errorf("running = %+v, %v", run, err)
			}
		})
	}
	wg.Wait()
	if starts, running := e.w.count(); starts != 1 || running != 1 {
		t.Errorf("%d starts, %d running", starts, running)
	}
	run, err := e.sandbox("ONE").Running(t.Context())
	if err != nil || run.Started || run.Generation != 1 {
		t.Errorf("running again = %+v, %v; want no start", run, err)
	}
	if got, want := e.kinds(), []EventKind{EventCreated, EventStarted}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestStartGoesOnWhenItsCallerGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which knows when both wait
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
		first, cancel := context.WithCancel(t.Context())
		gone, stays := make(chan error, 1), make(chan Run, 1)
		go func() { _, err := e.sandbox("s").Running(first); gone <- err }()
		<-arrived
		if st := e.state("s"); st != "starting" {
			t.Errorf("state %s while it starts", st)
		}
		go func() { r, _ := e.sandbox("s").Running(t.Context()); stays <- r }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that went away got %v", err)
		}
		close(proceed)
		if r := <-stays; r.Generation != 1 || !r.Started {
			t.Errorf("the other one got %+v", r)
		}
	})
}

func TestMachineSpec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), func(c *Config) {
		c.InitPath, c.InitArgs = "/init", []string{"init"}
		b := c.Bindings["B"]
		b.Env = map[string]string{"A": "binding", "B": "binding"}
		b.MemoryBytes, b.CPUs, b.PIDs, b.OCIRuntime, b.Tools = 1, 2, 3, "runsc", []string{"/tools"}
		c.Bindings["B"] = b
	})
	s := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{
		Env: map[string]string{"B": "call"}, Labels: map[string]string{"team": "x"},
	}})
	if _, err := s.Start(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	spec := w.machine("s").spec
	token := spec.Env["EDGE_INIT_TOKEN"]
	if len(token) != tokenLength {
		t.Errorf("token %q", token)
	}
	delete(spec.Env, "EDGE_INIT_TOKEN")
	dir, ok := strings.CutPrefix(spec.RunDir, e.config.StateDir+"/run/")
	if !ok || len(dir) != 16 {
		t.Errorf("run folder %s", spec.RunDir)
	}
	if fi, err := os.Stat(spec.RunDir); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("run folder: %v, %v", fi, err)
	}
	spec.RunDir = ""
	got, _ := json.Marshal(spec)
	want, _ := json.Marshal(MachineSpec{
		Name: "edge." + e.owner + ".B.s", Image: "img", InitPath: "/init", InitArgs: []string{"init"},
		Labels: map[string]string{
			"edge.owner": e.owner, "edge.binding": "B", "edge.id": "s", "edge.generation": "1", "edge.protocol": "1", "team": "x",
		},
		Env: map[string]string{"A": "binding", "B": "call"}, Network: "none", Preset: "default",
		MemoryBytes: 1, CPUs: 2, PIDs: 3, OCIRuntime: "runsc", Tools: []string{"/tools"},
	})
	if string(got) != string(want) {
		t.Errorf("spec\n%s\nwant\n%s", got, want)
	}
}

func TestGenerationIsRecordedBeforeTheMachineStarts(t *testing.T) {
	t.Parallel()
	w, disk := newWorld(t), newMemory()
	seen := make(chan string, 1)
	w.onStart = func(context.Context, MachineSpec) error {
		entry, err := (&handle{memory: disk}).Get(context.Background(), "sandbox/B/s")
		seen <- fmt.Sprint(string(entry.Value), err)
		return nil
	}
	e := newEdge(t, w, disk, nil)
	e.start("s")
	if got := <-seen; !strings.Contains(got, `"state":"starting","generation":1,`) {
		t.Errorf("recorded when the machine was started: %s", got)
	}
}

func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	for _, persist := range []string{"all", "nothing"} {
		t.Run(persist, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), func(c *Config) {
				b := c.Bindings["B"]
				b.Persist = persist
				c.Bindings["B"] = b
			})
			s, m, run := e.start("s")
			st, err := s.Stop(t.Context(), &abi.StopRequest{Signal: "INT", Grace: abi.Duration(time.Second)})
			if err != nil || st.State != abi.StateStopped || st.ExitCode == nil || *st.ExitCode != 0 {
				t.Fatalf("stop = %+v, %v", st, err)
			}
			if len(m.shutdown) != 1 || m.shutdown[0].Signal != "INT" || m.shutdown[0].Grace.D() != time.Second {
				t.Errorf("the init was asked %+v", m.shutdown)
			}
			<-run.Ended
			if got := e.conns.list(); !slices.Equal(got, []string{"B/s@1 sockets 1012", "B/s@1 1012"}) {
				t.Errorf("closed %v", got)
			}
			_, statErr := os.Stat(m.spec.RunDir)
			if kept := e.w.machine("s") != nil; kept != (persist == "all") || (statErr == nil) != kept {
				t.Errorf("machine kept: %v, run folder: %v", kept, statErr)
			}
			if st, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil || st.State != abi.StateStopped {
				t.Errorf("second stop = %+v, %v", st, err)
			}
			_, m2, run2 := e.start("s")
			if run2.Generation != 2 {
				t.Errorf("generation %d, want 2", run2.Generation)
			}
			if again := m2.kept == 1; again != (persist == "all") {
				t.Errorf("started again with its content: %v", again)
			}
		})
	}
}

func TestStopNeedsNoInit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		broken func(*edge)
	}{
		{"init hangs", func(e *edge) {
			e.w.handle["shutdown"] = func(m *machine, _ json.RawMessage) (any, error) { <-m.ended; return nil, errLinkLost }
		}},
		{"init refuses", func(e *edge) {
			e.w.handle["shutdown"] = func(*machine, json.RawMessage) (any, error) {
				return nil, abi.Errorf(abi.CodeUnsupported, "no")
			}
		}},
		{"init is broken", func(e *edge) {
			u := e.acquire(key{"B", "s"})
			u.current.init.(*link).broken.Store(true)
			e.release(u)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), nil)
			s, m, _ := e.start("s")
			e.w.set(func() { tt.broken(e) })
			st, err := s.Stop(t.Context(), &abi.StopRequest{Grace: abi.Duration(time.Millisecond)})
			if err != nil || st.State != abi.StateStopped || *st.ExitCode != 143 || m.running() {
				t.Fatalf("stop = %+v, %v", st, err)
			}
		})
	}
}

func TestStopThatFailsLeavesItRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, m, _ := e.start("s")
	w.set(func() {
		w.handle["shutdown"] = func(*machine, json.RawMessage) (any, error) { return nil, abi.Errorf(abi.CodeUnsupported, "no") }
		w.onStop = func(context.Context) error { return fmt.Errorf("%w: gone", ErrRuntimeDown) }
	})
	_, err := s.Stop(t.Context(), &abi.StopRequest{})
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	if st := e.state("s"); st != "running" || !m.running() {
		t.Errorf("state %s", st)
	}
	m.end(1, false) // its loss is still noticed
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m, run := e.start("s")
	if _, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // idempotent
		if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	<-run.Ended
	if m.running() || e.state("s") != "absent" || len(e.List()) != 0 {
		t.Errorf("still there: %s, %+v", e.state("s"), e.List())
	}
	if _, err := os.Stat(m.spec.RunDir); !os.IsNotExist(err) {
		t.Errorf("run folder: %v", err)
	}
	for k := range e.disk.entries {
		if k != "owner" && k != signKeyEntry && k != "generation/B" {
			t.Errorf("left on disk: %s", k)
		}
	}
	if got := e.conns.list(); !slices.Equal(got, []string{"B/s:8080 1012", "B/s@1 1012"}) {
		t.Errorf("closed %v", got)
	}
	e.mu.Lock()
	e.events = nil
	e.mu.Unlock()
	if _, _, run := e.start("s"); run.Generation != 2 {
		t.Errorf("generation %d after destroy, want 2", run.Generation)
	}
	if len(e.units) != 1 {
		t.Errorf("%d units are kept", len(e.units))
	}
}

func TestUnitsOfAbsentSandboxesAreDropped(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	for i := range 50 {
		if st := e.state(fmt.Sprint("s", i)); st != "absent" {
			t.Fatal(st)
		}
	}
	if _, err := e.sandbox("x").Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no units", func() bool { e.Manager.mu.Lock(); defer e.Manager.mu.Unlock(); return len(e.units) == 0 })
	if starts, _ := e.w.count(); starts != 0 || e.disk.commits != 2 { // the owner's id and the key of links
		t.Errorf("%d starts, %d commits", starts, e.disk.commits)
	}
}

func TestStopOrDestroyDuringStart(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Sandbox, context.Context) error{
		"stop":    func(s *Sandbox, ctx context.Context) error { _, err := s.Stop(ctx, &abi.StopRequest{}); return err },
		"destroy": func(s *Sandbox, ctx context.Context) error { _, err := s.Destroy(ctx, &abi.Empty{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			arrived := make(chan struct{})
			w.onStart = func(ctx context.Context, _ MachineSpec) error { close(arrived); <-ctx.Done(); return ctx.Err() }
			e := newEdge(t, w, newMemory(), nil)
			started := make(chan error, 1)
			go func() { _, err := e.sandbox("s").Running(t.Context()); started <- err }()
			<-arrived
			if err := end(e.sandbox("s"), t.Context()); err != nil {
				t.Fatal(err)
			}
			wantCode(t, <-started, abi.CodeSandboxExited)
			if st := e.state("s"); st != "absent" {
				t.Errorf("state %s", st)
			}
		})
	}
}

func TestLostMachine(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, m, run := e.start("s")
	m.end(137, true)
	<-run.Ended
	eventually(t, "lost", func() bool { return e.state("s") == "lost" })
	st, err := s.GetState(t.Context(), &abi.Empty{})
	if err != nil || *st.ExitCode != 137 || st.Generation != 1 {
		t.Errorf("state %+v, %v", st, err)
	}
	eventually(t, "event", func() bool { return slices.Contains(e.kinds(), EventLost) })
	if got := e.conns.list(); !slices.Equal(got, []string{"B/s@1 1012"}) {
		t.Errorf("closed %v", got)
	}
	if _, _, run := e.start("s"); run.Generation != 2 {
		t.Errorf("generation %d, want 2", run.Generation)
	}
}

func TestRuntimeThatCannotSayHowAMachineEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := make(chan struct{})
	tries := 0
	w.onWait = func() error { // one goroutine asks
		switch tries++; tries {
		case 1:
			return fmt.Errorf("%w: restarting", ErrRuntimeDown)
		case 2:
			close(asked)
			return nil // waits
		}
		return nil
	}
	e := newEdge(t, w, newMemory(), nil)
	s, m, run := e.start("s")
	<-asked
	if st := e.state("s"); st != "running" {
		t.Errorf("state %s while the runtime does not answer", st)
	}
	m.forgotten.Store(true)
	m.end(1, false)
	<-run.Ended
	st, err := s.GetState(t.Context(), &abi.Empty{})
	if err != nil || st.State != abi.StateLost || st.ExitCode != nil {
		t.Errorf("state %+v, %v", st, err)
	}
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, m, _ := e.start("s")
	for _, tt := range []struct {
		err  error
		code abi.Code
	}{
		{fmt.Errorf("%w: x", ErrNoMachine), abi.CodeSandboxExited},
		{errors.New("secret address"), abi.CodeInternal},
	} {
		w.set(func() { w.onDial = func() error { return tt.err } })
		_, _, err := s.Dial(t.Context(), 8080)
		if got := wantCode(t, err, tt.code); strings.Contains(got.Message, "secret") {
			t.Errorf("message %s", got.Message)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.set(func() { w.onDial = func() error { cancel(); return context.Canceled } })
	if _, _, err := s.Dial(ctx, 8080); !errors.Is(err, context.Canceled) {
		t.Errorf("dial of a caller that went away: %v", err)
	}
	m.end(0, false)
}

func TestList(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	for _, ref := range []abi.SandboxRef{{Binding: "C", ID: "a"}, {Binding: "B", ID: "z"}, {Binding: "B", ID: "b"}} {
		if _, err := e.handle(ref).Running(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.sandbox("z").Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, st := range e.List() {
		got = append(got, fmt.Sprintf("%s/%s %s %d", st.Ref.Binding, st.Ref.ID, st.State, st.Generation))
	}
	if want := []string{"B/b running 1", "B/z stopped 1", "C/a running 1"}; !slices.Equal(got, want) {
		t.Errorf("list %v, want %v", got, want)
	}
}

func TestFailedStart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail func(*world)
		code abi.Code
	}{
		{"no image", func(w *world) {
			w.onStart = func(context.Context, MachineSpec) error {
				return fmt.Errorf("start secret: %w: make image", ErrNoImage)
			}
		}, abi.CodeImageNotFound},
		{"runtime down", func(w *world) { w.down = true }, abi.CodeRuntimeUnavailable},
		{"internal", func(w *world) {
			w.onStart = func(context.Context, MachineSpec) error { return errors.New("secret path") }
		}, abi.CodeInternal},
		{"machine ends at once", func(w *world) {
			w.mute = true
			w.onStart = func(_ context.Context, spec MachineSpec) error {
				go func() {
					m := w.machine("s")
					for ; m == nil; m = w.machine("s") {
						_ = sleep(context.Background(), time.Millisecond)
					}
					m.end(1, false)
				}()
				return nil
			}
		}, abi.CodeSandboxExited},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.fail(w)
			e := newEdge(t, w, newMemory(), nil)
			_, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "true"})
			got := wantCode(t, err, tt.code)
			if got.Operation != "exec" || strings.Contains(got.Error()+got.Suggestion, "secret") {
				t.Errorf("error %+v", got)
			}
			if tt.code == abi.CodeImageNotFound && got.Suggestion != "make image" {
				t.Errorf("suggestion %q", got.Suggestion)
			}
			w.set(func() { w.down, w.onStart, w.mute = false, nil, false })
			if _, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "true"}); err != nil {
				t.Errorf("after the mending: %v", err)
			}
			if _, running := w.count(); running != 1 {
				t.Errorf("%d machines", running)
			}
		})
	}
}

func TestFailedRestartKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, _, _ := e.start("s")
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	w.set(func() { w.onStart = func(context.Context, MachineSpec) error { return errors.New("no") } })
	_, err := s.Start(t.Context(), &abi.Empty{})
	wantCode(t, err, abi.CodeInternal)
	if st := e.state("s"); st != "stopped" || w.machine("s") == nil {
		t.Fatalf("state %s, machine %v", st, w.machine("s"))
	}
	w.set(func() { w.onStart = nil })
	if _, m, run := e.start("s"); m.kept != 1 || run.Generation != 3 {
		t.Errorf("kept %d, generation %d; a failed start's number is not given again", m.kept, run.Generation)
	}
}

// TestHammer races starts, stops, destroys and kills of a few sandboxes. What
// must hold: nobody hangs, at most one machine for each id, numbers only grow,
// and at rest the record agrees with the world.
func TestHammer(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	ids := []string{"a", "b", "c"}
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Go(func() {
			id := ids[worker%len(ids)]
			var newest int64
			for n := range 25 {
				s := e.sandbox(id)
				switch (worker/3 + n) % 8 {
				case 0:
					_, _ = s.Destroy(t.Context(), &abi.Empty{})
				case 1:
					_, _ = s.Stop(t.Context(), &abi.StopRequest{})
				case 2:
					if m := e.w.machine(id); m != nil {
						m.end(1, false)
					}
				case 3:
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					_, _ = s.Running(ctx)
					cancel()
				case 4:
					_, _ = s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
				default:
					run, err := s.Running(t.Context())
					if err == nil && run.Generation < newest {
						t.Errorf("generation %d after %d", run.Generation, newest)
					}
					newest = max(newest, run.Generation)
				}
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if _, err := e.sandbox(id).Stop(t.Context(), &abi.StopRequest{}); err != nil {
			t.Errorf("stop: %v", err)
		}
		if st := e.state(id); st != "stopped" && st != "absent" && st != "lost" {
			t.Errorf("%s is %s", id, st)
		}
	}
	if _, running := e.w.count(); running != 0 {
		t.Errorf("%d machines run on", running)
	}
}

func TestAutostart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var e *edge
	w.handle["startProcess"] = func(m *machine, body json.RawMessage) (any, error) {
		p, err := m.startProcess(body)
		if strings.Contains(string(body), `"server"`) {
			m.serve(8080, nil)
		}
		return p, err
	}
	e = newEdge(t, w, newMemory(), func(c *Config) {
		b := c.Bindings["B"]
		b.Start = []Autostart{
			{StartProcessRequest: abi.StartProcessRequest{Command: "setup"}},
			{StartProcessRequest: abi.StartProcessRequest{ProcessID: "server", Command: "serve"}, Port: 8080},
		}
		c.Bindings["B"] = b
	})
	list, err := e.sandbox("s").ListProcesses(t.Context(), &abi.Empty{})
	if err != nil || len(list.Processes) != 2 || list.Processes[0].ID != "start-1" || list.Processes[1].ID != "server" {
		t.Fatalf("processes %+v, %v", list, err)
	}
}

func TestAutostartThatFailsFailsTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // what it printed is asked for within diagnoseTimeout
		w := newWorld(t)
		w.handle["startProcess"] = func(m *machine, body json.RawMessage) (any, error) {
			p, err := m.startProcess(body)
			m.print("server", "", "no such module")
			m.exitProcess("server", 3)
			return p, err
		}
		e := newEdge(t, w, newMemory(), func(c *Config) {
			b := c.Bindings["B"]
			b.Start = []Autostart{{StartProcessRequest: abi.StartProcessRequest{ProcessID: "server", Command: "serve"}, Port: 8080}}
			c.Bindings["B"] = b
		})
		_, err := e.sandbox("s").Running(t.Context())
		got := wantCode(t, err, abi.CodeProcessExitedBeforeReady)
		if !strings.Contains(string(got.Details), `"exitCode":3`) || !strings.Contains(string(got.Details), "no such module") {
			t.Errorf("details %s", got.Details)
		}
		if _, running := w.count(); running != 0 || e.state("s") != "absent" {
			t.Errorf("%d machines, state %s", running, e.state("s"))
		}
	})
}
