package sandboxmgr

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// hang has an operation wait until the returned function is called; arrived gets
// a token for each call.
func (w *world) hang(op string) (arrived chan struct{}, proceed func()) {
	arrived, gate := make(chan struct{}, 64), make(chan struct{})
	w.set(func() {
		w.handle[op] = func(m *machine, _ json.RawMessage) (any, error) {
			arrived <- struct{}{}
			select {
			case <-gate:
			case <-m.ended:
			}
			return &abi.ExecResponse{}, nil
		}
	})
	return arrived, sync.OnceFunc(func() { close(gate) })
}

func TestWhySaysWhatKeepsItAwake(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) { b.SleepAfter = time.Hour }))
	s, _, _ := e.start("s")
	want := func(why ...string) {
		t.Helper()
		st := e.look("s")
		if !slices.Equal(st.Why, why) {
			t.Errorf("why %q, want %q", st.Why, why)
		}
		if sleeps := st.SleepsAt != nil; sleeps != (len(why) == 0) {
			t.Errorf("it sleeps at %v, and %q keeps it awake", st.SleepsAt, why)
		}
	}
	want()
	var socks []abi.Socket
	for range 2 {
		sock, err := s.Terminal(t.Context(), &abi.TerminalRequest{})
		if err != nil {
			t.Fatal(err)
		}
		socks = append(socks, sock)
	}
	want("2 terminals")
	_ = socks[0].Close(1000, "")
	_ = socks[0].Close(1000, "")
	want("1 terminal")

	arrived, proceed := e.w.hang("exec")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _, _ = s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}) })
		<-arrived
	}
	want("2 exec", "1 terminal")
	proceed()
	wg.Wait()
	_, release, err := s.Wake(t.Context(), "", true)
	if err != nil {
		t.Fatal(err)
	}
	want("1 connection", "1 terminal")
	e.conns.set(3) // who counts connections knows that one, too
	want("3 connections", "1 terminal")
	release()
	e.conns.set(0)
	_ = socks[1].Close(1000, "")
	want()
	if st, err := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{KeepAlive: true}}).Touch(t.Context(), &abi.Empty{}); err != nil ||
		!slices.Equal(st.Why, []string{"keepAlive"}) {
		t.Errorf("state %+v, %v", st, err)
	}
	if got := e.state("never"); got != "absent" {
		t.Error(got)
	}
}

// TestUnusedSandboxesSleep wants a sandbox stopped that nobody uses, and one that
// is used left alone, whatever uses it.
func TestUnusedSandboxesSleep(t *testing.T) {
	t.Parallel()
	uses := map[string]func(*testing.T, *edge, *Sandbox) (end func()){
		"nothing": nil,
		"a call": func(t *testing.T, e *edge, s *Sandbox) func() {
			arrived, proceed := e.w.hang("exec")
			done := make(chan struct{})
			go func() { defer close(done); _, _ = s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}) }()
			<-arrived
			return func() { proceed(); <-done }
		},
		"a stream": func(t *testing.T, _ *edge, s *Sandbox) func() {
			sock, err := s.ExecStream(t.Context(), &abi.ExecStreamRequest{Command: "x"})
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = sock.Close(1000, "") }
		},
		"a request": func(t *testing.T, _ *edge, s *Sandbox) func() {
			_, release, err := s.Wake(t.Context(), "", false)
			if err != nil {
				t.Fatal(err)
			}
			return release
		},
		"connections of others": func(_ *testing.T, e *edge, _ *Sandbox) func() {
			e.conns.set(1)
			return func() { e.conns.set(0) }
		},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) { b.SleepAfter = time.Hour }))
			brief := abi.SandboxOptions{SleepAfter: abi.Duration(20 * time.Millisecond)}
			s := e.handle(abi.SandboxRef{Binding: "B", ID: "s"})
			run, err := s.Running(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			end := func() {}
			if use != nil {
				end = use(t, e, s)
			}
			s = e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: brief})
			if _, err := s.Touch(t.Context(), &abi.Empty{}); err != nil {
				t.Fatal(err)
			}
			if use != nil {
				// Others of the same span come and go meanwhile: the sleeper looks.
				for _, id := range []string{"a", "b"} {
					o := e.handle(abi.SandboxRef{Binding: "C", ID: id, SandboxOptions: brief})
					run, err := o.Running(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if name != "connections of others" { // which count for these, too
						<-run.Ended
					} else {
						_ = sleep(t.Context(), 50*time.Millisecond)
					}
				}
				if st := e.look("s"); st.State != abi.StateRunning || st.Generation != 1 {
					t.Fatalf("state %+v while it is in use", st)
				}
			}
			end()
			<-run.Ended
			eventually(t, "sleep", func() bool { return e.state("s") == "stopped" })
			if st := e.look("s"); !slices.Equal(st.Why, []string{"idle for 20ms"}) {
				t.Errorf("why %q", st.Why)
			}
			eventually(t, "hook", func() bool { return slices.Contains(e.told(), "s@1 stop sleep 0") })
			if run, err := s.Running(t.Context()); err != nil || run.Generation != 2 {
				t.Errorf("the next use: %+v, %v", run, err)
			}
		})
	}
}

// TestUseWhileItFallsAsleep wants a use that comes during the stop to wait for it
// and for the next generation.
func TestUseWhileItFallsAsleep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.SleepAfter = time.Millisecond }))
	arrived, proceed := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(arrived) })
	w.set(func() {
		w.handle["shutdown"] = func(m *machine, _ json.RawMessage) (any, error) {
			once()
			<-proceed
			m.end(0, false)
			return &abi.Empty{}, nil
		}
	})
	s, _, _ := e.start("s")
	<-arrived
	if st := e.look("s"); st.State != abi.StateStopping {
		t.Errorf("state %+v", st)
	}
	got := make(chan error, 3)
	use := []func(context.Context) error{
		func(ctx context.Context) error { _, err := s.Exec(ctx, &abi.ExecRequest{Command: "x"}); return err },
		func(ctx context.Context) error { _, release, err := s.Wake(ctx, "", false); release(); return err },
		func(ctx context.Context) error { _, err := s.Running(ctx); return err },
	}
	for _, f := range use {
		go func() { got <- f(t.Context()) }()
	}
	close(proceed)
	for range use {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// TestSleepingNeverCutsAUseOff hammers sandboxes that sleep at once.
func TestSleepingNeverCutsAUseOff(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) { b.SleepAfter = time.Millisecond }))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			s := e.sandbox([]string{"a", "b"}[worker%2])
			for range 100 {
				if worker < 4 {
					_ = sleep(t.Context(), time.Millisecond)
				}
				if _, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	starts, _ := e.w.count()
	t.Logf("%d starts", starts)
	eventually(t, "rest", func() bool { _, running := e.w.count(); return running == 0 })
}

func TestSleepThatFailsIsTriedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.SleepAfter = time.Millisecond }))
	w.set(func() {
		w.handle["shutdown"] = func(*machine, json.RawMessage) (any, error) { return nil, abi.Errorf(abi.CodeUnsupported, "no") }
		w.onStop = func(context.Context) error { return ErrRuntimeDown }
	})
	_, m, _ := e.start("s")
	eventually(t, "a try", func() bool { return e.log.count("could not be put away") == 1 })
	eventually(t, "running again", func() bool { return e.state("s") == "running" && m.running() })
	if st := e.look("s"); st.SleepsAt == nil || time.Until(*st.SleepsAt) < retrySleep/2 {
		t.Errorf("sleeps at %v", st.SleepsAt)
	}
}

func TestDeleteAfter(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) { b.DeleteAfter = 20 * time.Millisecond }))
	s, _, _ := e.start("s")
	if _, err := s.ExposePort(t.Context(), &abi.ExposePortRequest{Port: 8080}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "absent", func() bool { return e.state("s") == "absent" && e.w.machine("s") == nil })
	if es := s.Exposures(); len(es) != 0 {
		t.Errorf("exposures %+v", es)
	}
	if _, _, run := e.start("s"); run.Generation != 2 {
		t.Errorf("generation %d", run.Generation)
	}
}

func TestOptionsAreRemembered(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	with := func(e *edge, o abi.SandboxOptions) *Sandbox {
		return e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: o})
	}
	exec := func(s *Sandbox) {
		t.Helper()
		if _, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(e *edge, sleepAfter time.Duration, keepAlive bool) {
		t.Helper()
		in, err := e.sandbox("s").Inspect(t.Context(), &abi.Empty{})
		if err != nil || in.SleepAfter.D() != sleepAfter || in.KeepAlive != keepAlive || in.Labels["team"] != "x" {
			t.Errorf("inspection %+v, %v; want %s, %v", in, err, sleepAfter, keepAlive)
		}
	}
	exec(with(e, abi.SandboxOptions{
		SleepAfter: abi.Duration(time.Hour), Env: map[string]string{"A": "1"}, Labels: map[string]string{"team": "x"},
	}))
	want(e, time.Hour, false)
	exec(with(e, abi.SandboxOptions{SleepAfter: abi.Duration(2 * time.Hour)}))
	exec(e.sandbox("s")) // says nothing, and changes nothing
	want(e, 2*time.Hour, false)
	exec(with(e, abi.SandboxOptions{KeepAlive: true}))
	want(e, 2*time.Hour, true)
	before := e.disk.commits
	exec(with(e, abi.SandboxOptions{KeepAlive: true}))
	if e.disk.commits != before {
		t.Error("what is known was written again")
	}

	e = successor(t, e, nil)
	want(e, 2*time.Hour, true)
	exec(with(e, abi.SandboxOptions{SleepAfter: abi.Duration(time.Hour)}))
	want(e, time.Hour, false)
	if _, err := e.sandbox("s").Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	exec(e.sandbox("s")) // without options: those of before count
	if m := e.w.machine("s"); m.env["A"] != "1" {
		t.Errorf("variables %v", m.env)
	}
	want(e, time.Hour, false)
	if _, err := e.sandbox("s").Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	exec(e.sandbox("s"))
	if in, err := e.sandbox("s").Inspect(t.Context(), &abi.Empty{}); err != nil || in.SleepAfter != 0 || in.Labels != nil {
		t.Errorf("after destroy: %+v, %v", in, err)
	}
}

// TestActivitySurvivesARestart wants a restart of the edge to be no use of its
// sandboxes, and those who were connected to have a while to come back.
func TestActivitySurvivesARestart(t *testing.T) {
	t.Parallel()
	change := binding(func(b *Binding) { b.SleepAfter = time.Millisecond })
	e := newEdge(t, newWorld(t), newMemory(), binding(func(b *Binding) { b.SleepAfter = time.Hour }))
	_, _, run := e.start("s")
	u := e.acquire(key{"B", "s"})
	used := time.Now().Add(10 * time.Minute) // later than anything that is recorded
	u.activity.last.Store(used.UnixNano())
	e.release(u)
	if err := e.Close(); err != nil { // which records it
		t.Fatal(err)
	}
	e = successor(t, e, change)
	st := e.look("s")
	if st.LastActivityAt == nil || !st.LastActivityAt.Equal(used) {
		t.Errorf("used at %v, want %v", st.LastActivityAt, used)
	}
	u = e.acquire(key{"B", "s"})
	u.activity.last.Store(1) // long ago
	u.mu.Lock()
	due, does, ok := u.due()
	u.mu.Unlock()
	if !ok || does != dueSleep || time.Until(due) < comeback/2 {
		t.Errorf("due at %v, %v, %v", due, does, ok)
	}
	u.mu.Lock()
	u.awakeUntil = time.Time{}
	u.mu.Unlock()
	e.release(u)
	e.sleeper.nudge(time.Now())
	eventually(t, "sleep", func() bool { return e.state("s") == "stopped" })
	select {
	case <-run.Ended:
		t.Error("the earlier edge said that its run ended")
	default:
	}
}
