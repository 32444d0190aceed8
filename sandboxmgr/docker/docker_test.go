package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/container"

	"edge/sandboxmgr"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.Adopt(t.Context(), b.spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt of nothing = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	m, g := b.start(t)
	g.do(t, command{Write: "/workspace/file", Text: "kept"})
	g.do(t, command{Write: "/tmp/file", Text: "kept, too"})
	adopted, err := b.Adopt(t.Context(), b.spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	if m.PID() == 0 || adopted.PID() != m.PID() {
		t.Errorf("PIDs %d and %d: want the same", m.PID(), adopted.PID())
	}
	b.stop(t, m)
	for _, h := range []sandboxmgr.Machine{m, adopted} {
		if exit := waitEnd(t, h); exit.Code != 7 || exit.OOMKilled {
			t.Errorf("exit %+v, want code 7", exit)
		}
	}
	b.stop(t, m) // again
	if _, err := b.Adopt(t.Context(), b.spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt of a stopped machine = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	next, g := b.start(t)
	for path, want := range map[string]string{"/workspace/file": "kept", "/tmp/file": "kept, too"} {
		if got := g.do(t, command{Read: path}); got != want {
			t.Errorf("after a stop %s is %q, want %q", path, got, want)
		}
	}
	for range 2 {
		if err := b.Remove(t.Context(), b.spec.Name); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	waitEnd(t, next)
	b.gone(t)
}

// TestMachines: machines are listed by a label, running or not, and one whose
// replacement was interrupted by its own name.
func TestMachines(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const label = "edge.owner"
	owner := b.spec.Name
	b.spec.Labels = map[string]string{label: owner}
	list := func(want ...string) {
		t.Helper()
		got, err := b.Machines(t.Context(), label, owner)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("machines %q, %v; want %q", got, err, want)
		}
	}
	list()
	m, _ := b.start(t)
	list(b.spec.Name)
	b.stop(t, m)
	list(b.spec.Name)
	if other, err := b.Machines(t.Context(), label, owner+"x"); err != nil || len(other) != 0 {
		t.Errorf("machines of another %q, %v", other, err)
	}
	// As a replacement leaves it that ended before the new one had the name.
	snapshot, err := b.engine.ContainerCommit(t.Context(), b.spec.Name, container.CommitOptions{
		Changes: []string{fmt.Sprintf("LABEL %s=%q", labelSnapshot, b.spec.Name)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.create(t.Context(), wish{MachineSpec: &b.spec}, b.spec.Name+nextSuffix, snapshot.ID, nil); err != nil {
		t.Fatal(err)
	}
	list(b.spec.Name)
	if err := b.removeContainer(t.Context(), b.spec.Name); err != nil {
		t.Fatal(err)
	}
	list(b.spec.Name)
	if err := b.Remove(t.Context(), b.spec.Name); err != nil {
		t.Fatal(err)
	}
	list()
	b.gone(t)
}

func TestRacingStarts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pids := make([]int, 4)
	var wg sync.WaitGroup
	for i := range pids {
		wg.Go(func() {
			m, err := b.Start(t.Context(), b.spec)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			pids[i] = m.PID()
		})
	}
	wg.Wait()
	for _, pid := range pids {
		if pid == 0 || pid != pids[0] {
			t.Fatalf("process ids %v: want one container", pids)
		}
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.start(t)
	for name, port := range map[string]int{"127.0.0.1": 8080, "::1": 8081, "0.0.0.0": 8082} {
		c, err := m.Dial(t.Context(), port)
		if errors.Is(err, sandboxmgr.ErrNoDial) {
			t.Skipf("SKIPPED: %v", err)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := echo(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
	if _, err := m.Dial(t.Context(), 9999); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial of a closed port = %v, want %v", err, syscall.ECONNREFUSED)
	}
}

func echo(c net.Conn) error {
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		return fmt.Errorf("echo %q, %v", b, err)
	}
	return nil
}

// TestWaitSeesKill: a Wait that is under way ends when the init is killed.
func TestWaitSeesKill(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.start(t)
	waited := make(chan sandboxmgr.MachineExit, 1)
	go func() {
		exit, err := m.Wait(t.Context())
		if err != nil {
			t.Errorf("Wait: %v", err)
		}
		waited <- exit
	}()
	if err := syscall.Kill(m.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := <-waited; exit.Code != 137 || exit.OOMKilled {
		t.Errorf("exit %+v, want code 137", exit)
	}
}

func TestWaitCanceled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.start(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("nobody waits")
	cancel(gone)
	if _, err := m.Wait(ctx); !errors.Is(err, gone) {
		t.Errorf("Wait = %v, want %v", err, gone)
	}
}

func TestConfined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.spec.MemoryBytes, b.spec.PIDs, b.spec.CPUs = 64<<20, 50, 0.5
	m, g := b.start(t)
	status := g.do(t, command{Read: "/proc/self/status"})
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, want) {
			t.Errorf("status has no %q", want)
		}
	}
	if got := g.do(t, command{Read: "/proc/net/dev"}); strings.Count(got, ":") != 1 || !strings.Contains(got, "lo:") {
		t.Errorf("interfaces %s", got)
	}
	for _, path := range []string{"/.edge/run/x", "/.edge/init"} {
		if a, err := g.call(command{Write: path}); err != nil || a.Err == "" {
			t.Errorf("%s can be written (%v)", path, err)
		}
	}
	if got := g.do(t, command{Read: "/proc/sys/kernel/hostname"}); got != hostnameOf(b.spec.Name)+"\n" {
		t.Errorf("host name %q", got)
	}
	if _, err := g.call(command{Eat: 512 << 20}); err == nil {
		t.Error("512 MiB were used where 64 are allowed")
	}
	if exit := waitEnd(t, m); !exit.OOMKilled {
		t.Errorf("exit %+v, want OOMKilled", exit)
	}
}

// TestChangedSpec: what an engine can change is changed, and for what it cannot
// a new container takes over what was written. The image's own variables stay.
func TestChangedSpec(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.spec.Env = map[string]string{"A": "1", "B": "2"}
	m, g := b.start(t)
	g.do(t, command{Write: "/workspace/file", Text: "kept"})
	b.stop(t, m)
	first := b.look(t)

	b.spec.MemoryBytes = 64 << 20
	m, _ = b.start(t)
	b.stop(t, m)
	if c := b.look(t); c.ID != first.ID || c.HostConfig.Memory != 64<<20 {
		t.Errorf("container %s with %d bytes, want %s with %d", c.ID, c.HostConfig.Memory, first.ID, 64<<20)
	}

	for round, change := range []func(){
		func() { b.spec.Env = map[string]string{"A": "3"} },
		func() { b.spec.MemoryBytes = 0 },
		func() { b.spec.RunDir = runDir(t); b.ln = listen(t, b.spec.RunDir) },
	} {
		change()
		m, g = b.start(t)
		if got := g.do(t, command{Read: "/workspace/file"}); got != "kept" {
			t.Errorf("round %d: file %q", round, got)
		}
		for name, want := range map[string]string{"A": "3", "B": "", "OF_IMAGE": "yes"} {
			if got := g.do(t, command{Env: name}); got != want {
				t.Errorf("round %d: %s=%q, want %q", round, name, got, want)
			}
		}
		b.stop(t, m)
	}
	if c := b.look(t); c.ID == first.ID || c.HostConfig.Memory != 0 {
		t.Errorf("container %s with %d bytes, want another without a bound", c.ID, c.HostConfig.Memory)
	}
	if err := b.Remove(t.Context(), b.spec.Name); err != nil {
		t.Fatal(err)
	}
	b.gone(t)
}

// TestInterruptedReplacement: an edge that dies between taking the old
// container away and naming the new one loses nothing.
func TestInterruptedReplacement(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.start(t)
	g.do(t, command{Write: "/workspace/file", Text: "kept"})
	b.stop(t, m)
	if err := b.engine.ContainerRename(t.Context(), b.spec.Name, b.spec.Name+nextSuffix); err != nil {
		t.Fatal(err)
	}
	_, g = b.start(t)
	if got := g.do(t, command{Read: "/workspace/file"}); got != "kept" {
		t.Errorf("file %q", got)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tests := []struct {
		name   string
		change func(*sandboxmgr.MachineSpec)
		is     error
		want   string
	}{
		{"no image", func(s *sandboxmgr.MachineSpec) { s.Image = "edge-no-such-image" }, sandboxmgr.ErrNoImage, "docker pull edge-no-such-image"},
		{"host network", func(s *sandboxmgr.MachineSpec) { s.Network = "host" }, nil, "network of its own"},
		{"no init", func(s *sandboxmgr.MachineSpec) { s.InitPath = "/no/init" }, nil, "/no/init"},
		{"init is no program", func(s *sandboxmgr.MachineSpec) { s.InitPath = "/etc/passwd" }, nil, ""},
		{"no such OCI runtime", func(s *sandboxmgr.MachineSpec) { s.OCIRuntime = "nope" }, nil, "nope"},
	}
	for _, tt := range tests {
		spec := b.spec
		tt.change(&spec)
		m, err := b.Start(t.Context(), spec)
		if err == nil {
			m.Close()
			t.Errorf("%s: started", tt.name)
			continue
		}
		if tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		b.gone(t)
	}
	b.start(t) // none of it is in the way
}

func BenchmarkColdStart(b *testing.B) {
	k := newBench(b)
	for b.Loop() {
		m, err := k.Start(b.Context(), k.spec)
		if err != nil {
			b.Fatal(err)
		}
		g := accept(b, k.ln)
		c, err := m.Dial(b.Context(), 8080)
		if err != nil {
			b.Fatal(err)
		}
		if err := echo(c); err != nil {
			b.Fatal(err)
		}
		c.Close()
		b.StopTimer()
		if err := k.Remove(b.Context(), k.spec.Name); err != nil {
			b.Fatal(err)
		}
		g.conn.Close()
		m.Close()
		b.StartTimer()
	}
}
