package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/netns"
)

// BenchmarkSandboxReady starts the trivial server until it is ready: until its
// port can be reached, and until it says so.
func BenchmarkSandboxReady(b *testing.B) {
	l := newLab(b, both)
	for _, runtime := range benchRuntimes(b) {
		s := l.started(runtime)
		l.exec(s, "/bin/true")
		var byPort, byLog times
		for round := range quickRounds {
			port := 10000 + 2*round
			byPort.took(func() {
				l.serve(s, port)
				l.waitForPort(s, port)
			})
			l.kill(s, port)
			byLog.took(func() {
				l.serve(s, port+1)
				req := &abi.WaitForLogRequest{ProcessID: fmt.Sprint("server-", port+1), Pattern: "listening"}
				if _, err := s.WaitForLog(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			})
			l.kill(s, port+1)
		}
		figure(b, "startProcess to ready by waitForPort, "+runtime, byPort.within(10*time.Millisecond, 25*time.Millisecond))
		figure(b, "startProcess to ready by waitForLog, "+runtime, byLog.within(10*time.Millisecond, 25*time.Millisecond))
		l.destroy(s)
	}
}

// BenchmarkSandboxColdByte is from nothing to the first byte of a server in a
// sandbox: on Docker beside the same server in a container of its own.
func BenchmarkSandboxColdByte(b *testing.B) {
	l := newLab(b, func(r labRuntimes) map[string]sandboxmgr.Binding {
		return map[string]sandboxmgr.Binding{"process": serving(r.process), "docker": serving(r.docker)}
	})
	cold := func(t *times, binding string) {
		s := l.fresh(binding)
		t.took(func() { l.firstByte(s, guestPort) })
		l.destroy(s)
	}
	cold(new(times), "process") // makes what all have in common
	var ours times
	for range 4 * slowRounds {
		cold(&ours, "process")
	}
	figure(b, "first byte of a cold sandbox, process", ours.within(30*time.Millisecond, 0))

	if !slices.Contains(benchRuntimes(b), "docker") {
		return
	}
	e, gate, img := newEngine(b), netns.NewGate(2), guestImage(b)
	cold(new(times), "docker")
	ours = nil
	var engines times
	plain := func() {
		var id string
		engines.took(func() { id = e.serve(gate, img) })
		e.remove(id)
	}
	for round := range slowRounds {
		if round%2 == 0 { // who is first changes
			plain()
		}
		cold(&ours, "docker")
		if round%2 == 1 {
			plain()
		}
	}
	figure(b, "first byte of a cold sandbox, docker", ours.String())
	figure(b, "  against create, start, first byte by Engine API", ratioAtMost(ours.p50(), engines.p50(), 1.05), "which took "+engines.String())
}

// BenchmarkSandboxWarmByte is the first byte of a server in a sandbox from a warm
// pool, beside that of the same server started in a sandbox that runs.
func BenchmarkSandboxWarmByte(b *testing.B) {
	for _, runtime := range benchRuntimes(b) {
		l := newLab(b, func(r labRuntimes) map[string]sandboxmgr.Binding {
			plain := both(r)[runtime]
			pool := serving(plain)
			pool.Warm = 1
			return map[string]sandboxmgr.Binding{"plain": plain, "pool": pool}
		})
		running := l.started("plain")
		l.awaitHello()
		l.awaitHello()
		var warm, started times
		for round := range 2 * slowRounds {
			s := l.fresh("pool")
			warm.took(func() { l.firstByte(s, guestPort) })
			l.awaitHello() // of the next in the pool, whose making must not be under way below
			port := 10000 + round
			started.took(func() {
				l.serve(running, port)
				l.waitForPort(running, port)
				l.firstByte(running, port)
			})
			l.kill(running, port)
			l.destroy(s)
		}
		figure(b, "first byte from a warm pool, "+runtime, warm.String())
		figure(b, "  against starting the server in a running one", ratioAtMost(warm.p50(), started.p50(), 1.5), "which took "+started.String())
	}
}

// carried is a runtime that cannot dial, so that the init carries the bytes.
type carried struct{ sandboxmgr.Runtime }

func (c carried) Start(ctx context.Context, spec sandboxmgr.MachineSpec) (sandboxmgr.Machine, error) {
	m, err := c.Runtime.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return carriedMachine{m}, nil
}

type carriedMachine struct{ sandboxmgr.Machine }

func (carriedMachine) Dial(context.Context, int) (net.Conn, error) {
	return nil, sandboxmgr.ErrNoDial
}

// BenchmarkSandboxDial dials into sandboxes by both ways: one after the other,
// and from 100 callers at once.
func BenchmarkSandboxDial(b *testing.B) {
	const rounds, callers, wanted = 3000, 100, 5000.0
	l := newLab(b, func(r labRuntimes) map[string]sandboxmgr.Binding {
		bindings := both(r)
		bindings["carried"] = r.process
		c := bindings["carried"]
		c.Runtime = carried{c.Runtime}
		bindings["carried"] = c
		return bindings
	})
	for _, way := range []struct {
		binding, name string
		goal          time.Duration
	}{
		{"process", "by namespace, process", 100 * time.Microsecond},
		{"docker", "by namespace, docker", 100 * time.Microsecond},
		{"carried", "by the init, process", 400 * time.Microsecond},
	} {
		if _, ok := l.Bindings()[way.binding]; !ok {
			continue
		}
		s := l.started(way.binding)
		l.serve(s, guestPort)
		l.waitForPort(s, guestPort)
		dial := func() net.Conn {
			c, _, err := s.Dial(b.Context(), guestPort)
			if err != nil {
				b.Fatal(err)
			}
			return c
		}
		var one times
		for range rounds {
			var c net.Conn
			one.took(func() { c = dial() })
			drop(c)
		}
		figure(b, "dial "+way.name, one.within(way.goal, 0))
		var turn atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for range callers {
			wg.Go(func() {
				for turn.Add(1) <= 5*rounds {
					drop(dial())
				}
			})
		}
		wg.Wait()
		rate := 5 * rounds / time.Since(began).Seconds()
		figure(b, fmt.Sprintf("  from %d callers at once", callers), fmt.Sprintf("%.0f/s (goal >= %.0f/s: %s)", rate, wanted, verdict(rate >= wanted)))
		l.destroy(s)
	}
}

// drop closes a connection so that no port stays in TIME_WAIT.
func drop(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it costs ports alone
	}
	c.Close()
}
