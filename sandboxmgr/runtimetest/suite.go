package runtimetest

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

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
	list("")
	b.Remove(t, m.PID())
	list(owner)
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
