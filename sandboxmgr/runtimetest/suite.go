package runtimetest

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr"
)

// Run runs the suite, each test of it on a bench of its own.
func Run(t *testing.T, newBench func(testing.TB) *Bench) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *Bench)
	}{
		{"Lifecycle", lifecycle},
		{"RacingStarts", racingStarts},
		{"Dial", dial},
		{"WaitSeesKill", waitSeesKill},
		{"WaitCanceled", waitCanceled},
		{"Machines", machines},
		{"Terminal", terminal},
		{"Pause", pause},
		{"Describe", describe},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, newBench(t))
		})
	}
}

// lifecycle: one machine whoever asks for it, and a stop keeps what was written.
func lifecycle(t *testing.T, b *Bench) {
	b.wantNone(t)
	m, g := b.Start(t)
	g.Do(t, Command{Write: "/workspace/file", Text: "kept"})
	again, err := b.Runtime.Start(t.Context(), b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	adopted, err := b.Runtime.Adopt(t.Context(), b.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	if (m.PID() == 0) != b.Apart || again.PID() != m.PID() || adopted.PID() != m.PID() {
		t.Errorf("PIDs %d, %d, %d: want the same", m.PID(), again.PID(), adopted.PID())
	}
	if l, ok := adopted.(sandboxmgr.Labeller); ok {
		if labels, err := l.Labels(); err != nil || !maps.Equal(labels, b.Spec.Labels) {
			t.Errorf("labels %v, %v; want those of the start, %v", labels, err, b.Spec.Labels)
		}
	}
	if a, err := g.Call(Command{Read: "/workspace/file"}); err != nil || a.Text != "kept" {
		t.Errorf("the init's connection does not outlive other handles: %+v, %v", a, err)
	}
	Stop(t, m)
	for _, h := range []sandboxmgr.Machine{m, again, adopted} {
		if exit := WaitEnd(t, h); exit.Code != TermCode || exit.OOMKilled {
			t.Errorf("exit %+v, want code %d", exit, TermCode)
		}
	}
	Stop(t, m) // again
	b.wantNone(t)
	next, g := b.Start(t)
	if got := g.Do(t, Command{Read: "/workspace/file"}); got != "kept" {
		t.Errorf("after a stop the file is %q", got)
	}
	b.Remove(t, next.PID())
	b.Remove(t, next.PID())
	WaitEnd(t, next)
	b.wantNone(t)
}

func (b *Bench) wantNone(t *testing.T) {
	t.Helper()
	if _, err := b.Runtime.Adopt(t.Context(), b.Spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt of what does not run = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
}

// racingStarts: starts that race make one machine, which is found again when
// all have let go of it.
func racingStarts(t *testing.T, b *Bench) {
	pids := make([]int, 4)
	var wg sync.WaitGroup
	for i := range pids {
		wg.Go(func() {
			m, err := b.Runtime.Start(t.Context(), b.Spec)
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
		if (pid == 0) != b.Apart || pid != pids[0] {
			t.Fatalf("process ids %v: want one machine", pids)
		}
	}
	m, err := b.Runtime.Adopt(t.Context(), b.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b.Remove(t, pids[0])
	WaitEnd(t, m)
}

// dial: every loopback address inside is reached, and a closed port refuses.
func dial(t *testing.T, b *Bench) {
	m, _ := b.Start(t)
	if os.Geteuid() != 0 || b.Apart {
		if _, err := m.Dial(t.Context(), PortV4); !errors.Is(err, sandboxmgr.ErrNoDial) {
			t.Errorf("Dial from apart = %v, want %v", err, sandboxmgr.ErrNoDial)
		}
		return
	}
	for name, port := range map[string]int{"127.0.0.1": PortV4, "::1": PortV6, "0.0.0.0": PortAll} {
		c, err := m.Dial(t.Context(), port)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := Echo(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
	if _, err := m.Dial(t.Context(), 9999); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial of a closed port = %v, want %v", err, syscall.ECONNREFUSED)
	}
}

// waitSeesKill: a Wait that is under way ends when the init is killed.
func waitSeesKill(t *testing.T, b *Bench) {
	m, _ := b.Start(t)
	waited := make(chan sandboxmgr.MachineExit, 1)
	go func() {
		exit, err := m.Wait(t.Context())
		if err != nil {
			t.Errorf("Wait: %v", err)
		}
		waited <- exit
	}()
	b.kill(t, m)
	if exit := <-waited; exit.Code != 128+int(syscall.SIGKILL) || exit.OOMKilled {
		t.Errorf("exit %+v, want killed", exit)
	}
}

// kill kills the machine's init.
func (b *Bench) kill(t *testing.T, m sandboxmgr.Machine) {
	t.Helper()
	if b.Kill != nil {
		b.Kill(t)
		return
	}
	if m.PID() <= 1 { // which would be this process's group, or the computer
		t.Fatalf("process %d cannot be killed", m.PID())
	}
	if err := syscall.Kill(m.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func waitCanceled(t *testing.T, b *Bench) {
	m, _ := b.Start(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("nobody waits")
	cancel(gone)
	if _, err := m.Wait(ctx); !errors.Is(err, gone) {
		t.Errorf("Wait = %v, want %v", err, gone)
	}
}

// machines: they are listed by a label, running or not, and never another's.
func machines(t *testing.T, b *Bench) {
	owner := b.Spec.Name // nobody else's
	b.Spec.Labels = map[string]string{sandboxmgr.LabelOwner: owner}
	list := func(value string, want ...string) {
		t.Helper()
		got, err := b.Runtime.Machines(t.Context(), sandboxmgr.LabelOwner, value)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("machines of %q: %q, %v; want %q", value, got, err, want)
		}
	}
	list(owner)
	m, _ := b.Start(t)
	list(owner, b.Spec.Name)
	Stop(t, m)
	list(owner, b.Spec.Name)
	list(owner[:len(owner)-1])
	if all, err := b.Runtime.Machines(t.Context(), sandboxmgr.LabelOwner, ""); err != nil || !slices.Contains(all, b.Spec.Name) {
		t.Errorf("machines of anybody: %q, %v; %s is not there", all, err, b.Spec.Name)
	}
	b.Remove(t, m.PID())
	list(owner)
}

// terminal: a program inside gets a controlling terminal, and others can be
// opened beside it.
func terminal(t *testing.T, b *Bench) {
	if b.NoTerminal != "" {
		t.Log("no terminal is looked at: " + b.NoTerminal)
		return
	}
	_, g := b.Start(t)
	got := strings.Fields(g.Do(t, Command{TTY: "tty; stty size >/dev/tty && test -t 0 && echo yes"}))
	if len(got) < 2 || !strings.HasPrefix(got[0], "/dev/pts/") || got[len(got)-1] != "yes" {
		t.Errorf("on a terminal: %q", got)
	}
}

// pause: nothing inside runs until it is resumed, whoever looks, and a paused
// machine can be stopped and removed.
func pause(t *testing.T, b *Bench) {
	m, g := b.Start(t)
	p, ok := m.(sandboxmgr.Pauser)
	if !ok {
		t.Fatalf("a %T cannot be paused", m)
	}
	g.Shell(t, "(while :; do echo x >> /workspace/ticks; done) >/dev/null 2>&1 &")
	wantPaused(t, m, false)
	for range 2 { // again does nothing
		if err := p.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	adopted, err := b.Runtime.Adopt(t.Context(), b.Spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	wantPaused(t, adopted, true)
	b.wantStill(t, g)
	for range 2 {
		if err := adopted.(sandboxmgr.Pauser).Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantPaused(t, m, false)
	g.Shell(t, "n=$(wc -l < /workspace/ticks); until [ $(wc -l < /workspace/ticks) -gt $n ]; do :; done")
	if err := p.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	Stop(t, m)
	WaitEnd(t, m)
	next, _ := b.Start(t)
	wantPaused(t, next, false)
	if err := next.(sandboxmgr.Pauser).Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Remove(t, next.PID())
}

// wantStill: the guest, which is frozen, does not answer.
func (b *Bench) wantStill(t *testing.T, g *Guest) {
	t.Helper()
	const still = 200 * time.Millisecond
	if err := g.Conn.SetDeadline(time.Now().Add(still)); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	if _, err := g.Conn.Write([]byte("{\"Shell\":\"true\"}\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := g.Conn.Read(one[:]); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a frozen guest answered: %d, %v", n, err)
	}
}

func wantPaused(t *testing.T, m sandboxmgr.Machine, want bool) {
	t.Helper()
	if got, err := m.(sandboxmgr.Pauser).Paused(t.Context()); got != want || err != nil {
		t.Errorf("paused %v, %v; want %v", got, err, want)
	}
}

// describe: each limit is told, by what it is enforced, and facts.
func describe(t *testing.T, b *Bench) {
	b.Spec.MemoryBytes, b.Spec.CPUs, b.Spec.PIDs = 256<<20, 0.5, 100
	m, _ := b.Start(t)
	limits, facts, err := m.(sandboxmgr.Describer).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range limits {
		names = append(names, l.Name)
		if l.Value == "" || l.By == "" || (l.Value == "none") != (l.By == "nothing") {
			t.Errorf("limit %+v", l)
		}
	}
	slices.Sort(names)
	if want := []string{"cpus", "disk", "memory", "pids", "swap"}; !slices.Equal(names, want) {
		t.Errorf("limits %q, want %q", names, want)
	}
	for _, name := range []string{"user", "seccomp", "cgroup"} {
		if facts[name] == "" {
			t.Errorf("no fact %q in %q", name, facts)
		}
	}
	t.Logf("%s: %v, %q", b.Runtime.Name(), limits, facts)
}

// ColdStart measures from nothing to the first byte that is echoed, or without
// root to the init's connection.
func ColdStart(b *testing.B, k *Bench) {
	for b.Loop() {
		m, err := k.Runtime.Start(b.Context(), k.Spec)
		if err != nil {
			b.Fatal(err)
		}
		g := Accept(b, k.Socket)
		if os.Geteuid() == 0 {
			c, err := m.Dial(b.Context(), PortV4)
			if err != nil {
				b.Fatal(err)
			}
			if err := Echo(c); err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
		b.StopTimer()
		k.Remove(b, m.PID())
		g.Conn.Close() // after the init's end: it would come again
		m.Close()
		b.StartTimer()
	}
}
