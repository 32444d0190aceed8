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

// warm returns the names of the machines that nobody has taken over.
func (e *edge) warmNames() []string {
	p := e.warm["B"]
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, w := range p.ready {
		names = append(names, w.name)
	}
	return names
}

func (e *edge) awaitWarm(n int) []string {
	e.t.Helper()
	eventually(e.t, fmt.Sprint(n, " warm machines"), func() bool { return len(e.warmNames()) == n })
	return e.warmNames()
}

func (w *world) named(name string) *machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machines[name]
}

func TestWarmMachinesAreTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	change := binding(func(b *Binding) {
		b.Warm = 2
		b.Env = map[string]string{"A": "binding"}
		b.Start = []Autostart{{StartProcessRequest: abi.StartProcessRequest{ProcessID: "server", Command: "x"}}}
	})
	e := newEdge(t, w, newMemory(), change)
	names := e.awaitWarm(2)
	for _, name := range names {
		m := w.named(name)
		if ids := m.processIDs(); len(ids) != 0 || m.spec.Labels[LabelOwner] != e.owner || m.spec.Labels["edge.warm"] != "true" {
			t.Errorf("%s runs %v, labels %v", name, ids, m.spec.Labels)
		}
		if !strings.HasPrefix(name, "edge."+e.owner+".B.warm.") {
			t.Errorf("name %s", name)
		}
	}
	if len(e.List()) != 0 {
		t.Error("a warm machine shows as a sandbox")
	}
	s := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{
		Env: map[string]string{"B": "call"}, Labels: map[string]string{"team": "x"},
	}})
	run, err := s.Running(t.Context())
	if err != nil || run.Generation != 1 {
		t.Fatalf("%+v, %v", run, err)
	}
	m := w.named(names[0])
	if ids := m.processIDs(); !slices.Equal(ids, []string{"server"}) || m.env["B"] != "call" {
		t.Errorf("the oldest machine runs %v with %v", ids, m.env)
	}
	in, err := s.Inspect(t.Context(), &abi.Empty{})
	if err != nil || in.Machine != names[0] || in.Labels["team"] != "x" {
		t.Errorf("%+v, %v", in, err)
	}
	e.awaitWarm(2)

	e.crash2(w)
	e = successor(t, e, change) // adopts it under its name, and sweeps the rest
	if _, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
		t.Fatal(err)
	}
	e.awaitWarm(2)
	eventually(t, "sweep", func() bool { _, running := w.count(); return running == 3 })
	s = e.sandbox("s")
	if _, err := s.Stop(t.Context(), &abi.StopRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Running(t.Context()); err != nil { // the same machine again: it has what was written
		t.Fatal(err)
	}
	if m := w.named(names[0]); m == nil || m.kept != 1 {
		t.Errorf("machine %v", m)
	}
	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	if w.named(names[0]) != nil {
		t.Error("the machine is still there")
	}
}

// crash2 crashes the edge while nothing can be removed, as kill -9 would.
func (e *edge) crash2(w *world) {
	w.set(func() { w.onRemove = func() error { return errors.New("killed") } })
	e.crash()
	w.set(func() { w.onRemove = nil })
}

func TestCloseRemovesWhatNobodyTook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Warm = 3 }))
	e.awaitWarm(3)
	e.start("s")
	e.awaitWarm(3)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, running := w.count(); running != 1 {
		t.Errorf("%d machines", running)
	}
	dirs, err := os.ReadDir(e.config.StateDir + "/run")
	if err != nil || len(dirs) != 1 {
		t.Errorf("run folders %v, %v", dirs, err)
	}
}

// TestWarmRace has more callers than warm machines: each machine is one
// sandbox's, and the rest start cold.
func TestWarmRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Warm, b.MaxSandboxes = 4, 20 }))
	e.awaitWarm(4)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for range 5 {
				s := e.sandbox(fmt.Sprint("s", i))
				if _, err := s.Running(t.Context()); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	sweeping := make(chan struct{})
	go func() {
		defer close(sweeping)
		for range 50 { // a sweep takes nothing that is somebody's
			e.reconcile(e.runtimes())
			e.sweepRunFolders()
		}
	}()
	wg.Wait()
	<-sweeping
	machines := map[string]bool{}
	for i := range 20 {
		in, err := e.sandbox(fmt.Sprint("s", i)).Inspect(t.Context(), &abi.Empty{})
		if err != nil || (in.State == abi.StateRunning) != (i%2 == 1) {
			t.Errorf("%+v, %v", in, err)
			continue
		}
		if in.Machine != "" && (machines[in.Machine] || w.named(in.Machine) == nil) {
			t.Errorf("machine %s is gone, or somebody else's", in.Machine)
		}
		machines[in.Machine] = true
	}
	e.awaitWarm(4)
	if _, running := w.count(); running != 10+4 {
		t.Errorf("%d machines", running)
	}
}

func TestWarmMachineThatEndsIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Warm = 1 }))
	name := e.awaitWarm(1)[0]
	w.named(name).end(1, false)
	eventually(t, "another", func() bool { names := e.warmNames(); return len(names) == 1 && names[0] != name })
	eventually(t, "removal", func() bool { return w.named(name) == nil })
}

// TestWarmMachinesThatEndAtOnce are replaced at a pace, on a clock of its own.
func TestWarmMachinesThatEndAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onWait = func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, m := range w.machines {
				m.end(1, false)
			}
			return nil
		}
		e := newEdge(t, w, newMemory(), func(c *Config) {
			c.StateDir = dir
			binding(func(b *Binding) { b.Warm = 1 })(c)
		})
		defer e.Close()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if starts, _ := w.count(); starts < 5 || starts > 15 {
			t.Errorf("%d machines in 10 s", starts)
		}
	})
}

func TestWarmPoolWaitsForItsRuntime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failed := make(chan struct{}, 1)
	w.onStart = func(context.Context, MachineSpec) error {
		select {
		case failed <- struct{}{}:
			return errors.New("no room")
		default:
			return nil
		}
	}
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Warm = 1 }))
	e.awaitWarm(1) // after a pause
	if n := e.log.count("cannot start a sandbox ahead"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// TestWarmMachineIsRecordedBeforeItIsUsed wants nothing taken over that the store
// does not know.
func TestWarmMachineIsRecordedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Warm = 1 }))
	name := e.awaitWarm(1)[0]
	e.store.full.Store(true)
	_, err := e.sandbox("s").Running(t.Context())
	wantCode(t, err, abi.CodeRuntimeUnavailable)
	if e.state("s") != "absent" || w.named(name) != nil {
		t.Errorf("state %s, machine %v", e.state("s"), w.named(name))
	}
	e.store.full.Store(false)
	e.awaitWarm(1)
	e.start2("s")
}

// start2 starts a sandbox, whatever its machine's name is.
func (e *edge) start2(id string) *Sandbox {
	e.t.Helper()
	s := e.sandbox(id)
	if _, err := s.Running(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	return s
}

// TestWarmMachineThatEndsWhileItIsTaken is replaced by one that is started then.
func TestWarmMachineThatEndsWhileItIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), binding(func(b *Binding) { b.Warm = 1 }))
	name := e.awaitWarm(1)[0]
	w.set(func() {
		w.handle["setEnvVars"] = func(m *machine, _ json.RawMessage) (any, error) {
			if m.spec.Name == name {
				m.end(1, false)
				return nil, abi.Errorf(abi.CodeSandboxExited, "gone")
			}
			return abi.Empty{}, nil
		}
	})
	s := e.handle(abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: abi.SandboxOptions{Env: map[string]string{"A": "b"}}})
	run, err := s.Running(t.Context())
	if err != nil || run.Generation != 1 {
		t.Fatalf("%+v, %v", run, err)
	}
	if w.named(name) != nil || w.machine("s") == nil {
		t.Error("the machine that ended was not replaced")
	}
}
