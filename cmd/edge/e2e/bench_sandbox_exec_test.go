package e2e

import (
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// both are the two runtimes, plain.
func both(r labRuntimes) map[string]sandboxmgr.Binding {
	return map[string]sandboxmgr.Binding{"process": r.process, "docker": r.docker}
}

// BenchmarkSandboxExec runs /bin/true: through the manager, by a plain fork and
// exec on this machine, and through the Engine API in the same container.
func BenchmarkSandboxExec(b *testing.B) {
	l := newLab(b, both)
	for _, runtime := range benchRuntimes(b) {
		s := l.started(runtime)
		l.exec(s, "/bin/true")
		seen, err := s.Inspect(b.Context(), &abi.Empty{})
		if err != nil {
			b.Fatal(err)
		}
		var ours, plain, engines times
		var e *engine
		if runtime == "docker" {
			e = newEngine(b)
		}
		for round := range quickRounds {
			ours.took(func() { l.exec(s, "/bin/true") })
			plain.took(func() {
				if err := exec.Command("/bin/true").Run(); err != nil {
					b.Fatal(err)
				}
			})
			if e != nil && round%5 == 0 {
				engines.took(func() { e.exec(seen.Machine, "/bin/true") })
			}
		}
		figure(b, "exec /bin/true, "+runtime, ours.within(1500*time.Microsecond, 4*time.Millisecond))
		figure(b, "  against a plain fork and exec", ratioAtMost(ours.p50(), plain.p50(), 2.5), "which took "+plain.String())
		if e != nil {
			figure(b, "  faster than the Engine API", ratioAtLeast(engines.p50(), ours.p50(), 30), "which took "+engines.String())
		}
		l.destroy(s)
	}
}

// BenchmarkSandboxExecByREST is exec through the admin API of the real binary,
// with a connection for each call and with a kept one.
func BenchmarkSandboxExecByREST(b *testing.B) {
	e := newEdge(b, settings{runtime: "process"})
	box := &box{e: e, id: "rest"}
	var calls times
	for range quickRounds {
		calls.took(func() {
			if err := box.call(abi.Exec.Name(), abi.ExecRequest{Argv: []string{"/bin/true"}}, nil); err != nil {
				b.Fatal(err)
			}
		})
	}
	figure(b, "exec /bin/true, process, by the admin API", calls.String(), "a connection for each")
}

// BenchmarkSandboxExecAtOnce runs eight commands that sleep, which takes the time
// of one.
func BenchmarkSandboxExecAtOnce(b *testing.B) {
	const commands = 8
	l := newLab(b, both)
	for _, runtime := range benchRuntimes(b) {
		s := l.started(runtime)
		l.exec(s, "/bin/true")
		sleep := func() { l.exec(s, "sleep", "0.2") }
		var one, eight times
		for range slowRounds {
			one.took(sleep)
			eight.took(func() {
				var wg sync.WaitGroup
				for range commands {
					wg.Go(sleep)
				}
				wg.Wait()
			})
		}
		figure(b, fmt.Sprintf("%d commands at once against one, %s", commands, runtime), ratioAtMost(eight.p50(), one.p50(), 1.25), "one: "+one.String())
		l.destroy(s)
	}
}

// BenchmarkSandboxExecAfterTimeout looks whether a command that times out, and
// ignores every signal it can, delays the next one.
func BenchmarkSandboxExecAfterTimeout(b *testing.B) {
	l := newLab(b, both)
	for _, runtime := range benchRuntimes(b) {
		s := l.started(runtime)
		l.exec(s, "/bin/true")
		var before, after times
		for range slowRounds {
			before.took(func() { l.exec(s, "/bin/true") })
			_, err := s.Exec(b.Context(), &abi.ExecRequest{Command: `trap "" TERM HUP INT; (sleep 60 & sleep 60)`, Timeout: abi.Duration(20 * time.Millisecond)})
			if !errors.Is(err, abi.CodeTimeout.Err()) {
				b.Fatal(err)
			}
			after.took(func() { l.exec(s, "/bin/true") })
		}
		figure(b, "the command after one that timed out, "+runtime, ratioAtMost(after.p50(), before.p50(), 2), "before: "+before.String())
		l.destroy(s)
	}
}
