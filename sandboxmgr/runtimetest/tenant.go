package runtimetest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/initlink"
)

// EnvWicked names the program that BuildWicked built, for tests that run in a
// process which cannot build.
const EnvWicked = "RUNTIMETEST_WICKED"

// Bounds of the machines whose code is wicked, so that the computer is safe.
const (
	wickedPIDs   = 64
	wickedMemory = 128 << 20
	wickedCPUs   = 0.5
)

const wickedToken = "0123456789abcdef"

// BuildWicked builds testdata/wicked into dir, which every user can read, and
// returns its path.
func BuildWicked(t testing.TB, dir string) string {
	t.Helper()
	if path := os.Getenv(EnvWicked); path != "" {
		return path
	}
	path := filepath.Join(dir, "wicked")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "edge/sandboxmgr/runtimetest/testdata/wicked")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the wicked init: %v\n%s", err, out)
	}
	return path
}

// Tenants runs what a sandbox's own code, and an init that is not what it should
// be, may try: the edge is not held up, the sandbox can be stopped and removed,
// another one notices nothing, and nothing is left of it all in this process. It
// counts descriptors and goroutines, so no other test may run meanwhile.
func Tenants(t *testing.T, newBench func(testing.TB) *Bench) {
	dir := RunDir(t)
	wicked := BuildWicked(t, dir)
	boot := func(t *testing.T, name string, args ...string) *cell {
		return startCell(t, newBench(t), wicked, name, args)
	}
	t.Run("Warm", func(t *testing.T) { boot(t, "warm").works(t) }) // what a process opens once and for all
	before := takeCensus(t)
	t.Run("Cells", func(t *testing.T) {
		witness := boot(t, "witness")
		try := func(name string, run func(*testing.T, *cell), args ...string) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, boot(t, "victim", args...))
				witness.works(t)
			})
		}
		try("Tenants", tenants)
		try("Starved", starved)
		try("Terminate", terminated)
		for _, act := range []string{"garbage", "halves", "silence", "frames", "unasked"} {
			try("Init/"+act, wickedInit, act)
		}
	})
	before.wantBack(t)
}

// census counts what this process holds.
type census struct{ files, goroutines, threads int }

func takeCensus(t testing.TB) census {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return census{len(files), runtime.NumGoroutine(), len(threads)}
}

// moreThreads is how many threads more the Go runtime may keep.
const moreThreads = 16

// wantBack waits until this process holds no more than it did.
func (c census) wantBack(t testing.TB) {
	t.Helper()
	var now census
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		now = takeCensus(t)
		if now.files <= c.files && now.goroutines <= c.goroutines && now.threads <= c.threads+moreThreads {
			return
		}
	}
	t.Errorf("before %+v, after %+v", c, now)
}

// cell is a machine with the edge's end of its init.
type cell struct {
	*Bench
	machine sandboxmgr.Machine
	link    *initlink.Link
}

// startCell starts a machine whose init is the wicked program with args; without
// any it is the real one. The test's end removes it, and closes everything.
func startCell(t *testing.T, b *Bench, program, name string, args []string) *cell {
	t.Helper()
	b.Spec.Name += "-" + name
	b.Spec.InitPath, b.Spec.InitArgs = program, args
	b.Spec.PIDs, b.Spec.MemoryBytes, b.Spec.CPUs = wickedPIDs, wickedMemory, wickedCPUs
	b.Spec.Env = map[string]string{"EDGE_INIT_TOKEN": wickedToken}
	link, err := initlink.Open(initlink.Config{Dir: b.Spec.RunDir, Token: wickedToken})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	m, err := b.Runtime.Start(t.Context(), b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	link.SetPeer(m.PID())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := link.Ready(ctx); err != nil {
		t.Fatalf("the init did not connect: %v", err)
	}
	return &cell{b, m, link}
}

// carry carries out an operation of the init within patience.
func carry[Req, Resp any](t testing.TB, c *cell, op *abi.Operation[Req, Resp], req Req) (*Resp, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp := new(Resp)
	err := c.link.Call(ctx, op.Name(), req, resp)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s got no answer within %s", op.Name(), patience)
	}
	return resp, err
}

// act has the cell's own code try something.
func (c *cell) act(t testing.TB, args ...string) (*abi.ExecResponse, error) {
	t.Helper()
	return carry(t, c, abi.Exec, abi.ExecRequest{Argv: append([]string{"/.edge/init"}, args...)})
}

// works checks that the init carries out what it is told to.
func (c *cell) works(t testing.TB) {
	t.Helper()
	if r, err := c.act(t, "ok"); err != nil || r.Stdout != "ok\n" {
		t.Fatalf("the sandbox does not work any more: %+v, %v", r, err)
	}
	if c.link.Broken() {
		t.Fatal("the sandbox's code broke the link")
	}
}

// end stops the machine within patience.
func (c *cell) end(t testing.TB, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.machine.Stop(ctx, grace); err != nil {
		t.Errorf("Stop: %v", err)
	}
	WaitEnd(t, c.machine)
	c.Remove(t, c.machine.PID())
}

// tenants tries one thing after another in the same sandbox, because starting
// one takes an engine seconds.
func tenants(t *testing.T, c *cell) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *cell)
	}{
		{"Attempts", attempts},
		{"Terminal", terminalNeedsNothing},
		{"OutOfMemory", outOfMemory},
		{"StoppedInit", stoppedInit},
		{"ForkBomb", forkBomb},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, c) })
	}
	c.end(t, time.Second) // in the middle of a fork bomb
}

// attempts: what a tenant tries against its init and the edge comes to nothing.
func attempts(t *testing.T, c *cell) {
	for _, args := range [][]string{{"trace"}, {"signals"}, {"connect", wickedToken}, {"descriptors"}} {
		t.Run(args[0], func(t *testing.T) {
			if r, err := c.act(t, args...); err != nil || r.Stdout != "ok\n" {
				t.Errorf("%+v, %v", r, err)
			}
			c.works(t)
		})
	}
}

// terminalNeedsNothing: a terminal needs nothing of the image, no shell either.
func terminalNeedsNothing(t *testing.T, c *cell) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sock, err := c.link.Open(ctx, abi.Terminal.Name(), abi.TerminalRequest{
		Argv: []string{"/.edge/init", "terminal"}, Cols: 91, Rows: 17,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close(1000, "")
	var printed strings.Builder
	var last abi.TerminalEvent
	for {
		op, b, err := sock.Receive(ctx)
		if err != nil {
			break
		}
		if op == abi.OpcodeBinary {
			printed.Write(b)
			continue
		}
		last = abi.TerminalEvent{}
		if err := json.Unmarshal(b, &last); err != nil {
			t.Fatal(err)
		}
	}
	if want := "91x17 xterm-256color\r\nok\r\n"; printed.String() != want || last.Type != abi.TerminalExit || *last.ExitCode != 0 {
		t.Errorf("printed %q, then %+v; want %q", printed.String(), last, want)
	}
}

// forkBomb: at the limit of processes the init still answers, and ends the bomb.
func forkBomb(t *testing.T, c *cell) {
	_, err := carry(t, c, abi.StartProcess, abi.StartProcessRequest{ProcessID: "bomb", Argv: []string{"/.edge/init", "forks"}})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the limit is reached", func() bool {
		_, err := c.act(t, "ok")
		return errors.Is(err, abi.CodeQuotaExceeded.Err())
	})
	if _, err := carry(t, c, abi.ListProcesses, abi.Empty{}); err != nil {
		t.Errorf("ListProcesses: %v", err)
	}
	if k, err := carry(t, c, abi.KillProcess, abi.KillRequest{ProcessID: "bomb", Signal: "KILL"}); err != nil || k.Status != abi.StatusKilled {
		t.Errorf("KillProcess: %+v, %v", k, err)
	}
	await(t, "there is room again", func() bool {
		r, err := c.act(t, "ok")
		return err == nil && r.Success
	})
	if _, err := carry(t, c, abi.StartProcess, abi.StartProcessRequest{ProcessID: "again", Argv: []string{"/.edge/init", "forks"}}); err != nil {
		t.Fatal(err)
	}
}

// await waits for a condition that comes true by itself.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

// outOfMemory: what uses too much is killed, and the init is not.
func outOfMemory(t *testing.T, c *cell) {
	r, err := c.act(t, "eat", "256")
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case r.Success && os.Geteuid() != 0:
		t.Log("memory is not bounded on this computer without root")
	case r.Signal != "SIGKILL" && !strings.Contains(r.Stdout, syscall.ENOMEM.Error()):
		t.Errorf("eating twice the memory there is: %+v", r)
	}
	c.works(t)
}

// stoppedInit: an init that is frozen from outside holds nobody up beyond the
// caller's deadline, and goes on when it is let.
func stoppedInit(t *testing.T, c *cell) {
	pid := c.machine.PID()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.link.Call(ctx, abi.Exec.Name(), abi.ExecRequest{Argv: []string{"/.edge/init", "ok"}}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call of a frozen init: %v", err)
	}
	if _, err := c.link.Open(ctx, abi.Terminal.Name(), abi.TerminalRequest{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stream of a frozen init: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.works(t)
}

// starved: code that takes descriptors and processor time from the init harms its
// own sandbox alone, which can be stopped, frozen from outside too.
func starved(t *testing.T, c *cell) {
	if r, err := c.act(t, "starve"); err != nil || !r.Success {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := c.act(t, "ok"); err != nil { // in time, whatever comes of it
		t.Logf("a sandbox whose init has no descriptors: %v", err)
	}
	if err := syscall.Kill(c.machine.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.end(t, 100*time.Millisecond)
}

// terminated: code that asks the init to end ends its own sandbox, properly.
func terminated(t *testing.T, c *cell) {
	_, _ = c.act(t, "terminate") // its answer may not come any more
	if exit := WaitEnd(t, c.machine); exit.Code != 0 || exit.OOMKilled {
		t.Errorf("exit %+v", exit)
	}
	c.Remove(t, c.machine.PID())
}

// wickedInit: whatever an init answers, calls and streams of it end in time, and
// so does its machine.
func wickedInit(t *testing.T, c *cell) {
	within := func(f func(ctx context.Context)) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		f(ctx)
	}
	for range 2 {
		within(func(ctx context.Context) {
			var resp abi.ExecResponse
			err := c.link.Call(ctx, abi.Exec.Name(), abi.ExecRequest{Argv: []string{"ok"}}, &resp)
			if err == nil && resp.Stdout != "" {
				t.Errorf("an answer out of nothing: %+v", resp)
			}
		})
		within(func(ctx context.Context) {
			sock, err := c.link.Open(ctx, abi.Terminal.Name(), abi.TerminalRequest{})
			if err != nil {
				return
			}
			defer sock.Close(1000, "")
			for err == nil {
				_, _, err = sock.Receive(ctx)
			}
		})
	}
	c.end(t, 100*time.Millisecond)
}
