package initlink

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// TestEdgeRestart: another link on the same directory finds the same init with
// its processes and logs; cursors stay good.
func TestEdgeRestart(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	before, err := s.Ready(within(t))
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, s, "srv", "echo one; while ! test -e "+s.init.work+"/go; do sleep 0.01; done; echo two; exec sleep 801")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "srv", Pattern: "one"})
	first := logs(t, s, "srv", "")
	s.Close()
	if err := os.WriteFile(s.init.work+"/go", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	next := &sandbox{Link: openLink(t, s.dir), init: s.init, dir: s.dir}
	next.SetPeer(s.init.cmd.Process.Pid)
	after, err := next.Ready(within(t))
	if err != nil || after.Boot != before.Boot || after.PID != s.init.cmd.Process.Pid {
		t.Fatalf("hello %+v, %v; before %+v", after, err, before)
	}
	call(t, next.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "srv", Pattern: "two"})
	if got := get(t, next, "srv"); got.PID != p.PID || got.Status != abi.StatusRunning {
		t.Errorf("process %+v", got)
	}
	if got := logs(t, next, "srv", first.Cursor); got.Stdout != "two\n" || got.Dropped != 0 {
		t.Errorf("logs %+v", got)
	}
}

// TestSuccessor: two links on one directory, as when an edge is replaced; the
// old one's end must not take the new one's socket away.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	next := openLink(t, s.dir)
	next.SetPeer(s.init.cmd.Process.Pid)
	s.Close()
	if _, err := next.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "s")); err != nil {
		t.Error(err)
	}
	call(t, next, abi.Exec, abi.ExecRequest{Command: "true"})
}

// TestCloseWhileCalling: calls of all kinds end with ErrClosed, and what the
// init was doing for them is cancelled.
func TestCloseWhileCalling(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "p", "exec sleep 811")
	const callers = 80 // more than there are connections, so that some wait for one
	errs := make(chan error, callers)
	for i := range callers {
		go func() {
			switch i % 2 {
			case 0:
				errs <- s.Call(context.Background(), "exec", abi.ExecRequest{Command: "exec sleep 812"}, nil)
			default:
				errs <- s.Call(context.Background(), "waitForExit", abi.WaitForExitRequest{ProcessID: "p"}, nil)
			}
		}()
	}
	until(t, "as many calls run as may", func() bool { return len(s.long) == cap(s.long) })
	// However many wait, a short call gets through.
	if err := s.Call(within(t), initproto.OpPing, nil, nil); err != nil {
		t.Error(err)
	}
	s.Close()
	for range callers {
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Call(within(t), "ping", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := s.Ready(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Ready after Close: %v", err)
	}
	until(t, "the commands were killed", func() bool { return !alive(t, "sleep 812") })
	if !alive(t, "sleep 811") {
		t.Error("the process was killed too")
	}
}

// TestInitDies: a call in progress tells that its init is gone.
func TestInitDies(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	errs := make(chan error, 1)
	file := s.init.work + "/pid"
	go func() {
		errs <- s.Call(within(t), "exec", abi.ExecRequest{Command: "echo $$ >" + file + "; exec sleep 821"}, nil)
	}()
	until(t, "the command runs", func() bool { return alive(t, "sleep 821") })
	s.init.cmd.Process.Kill()
	if err := <-errs; !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
	until(t, "nobody is there to call", func() bool { // the kernel closes its connections one by one
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := s.Call(ctx, "ping", nil, nil)
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrLost) {
			t.Errorf("a call without an init: %v", err)
		}
		return errors.Is(err, context.DeadlineExceeded)
	})
	if s.Broken() {
		t.Error("dying counts as a violation")
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(readHost(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(orphan, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestSignalsDoNotEndTheInit: whatever the sandbox's code sends.
func TestSignalsDoNotEndTheInit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	got := call(t, s.Link, abi.Exec, abi.ExecRequest{
		Command: "for s in HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE ALRM 16 CHLD CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS 35 64; do kill -s $s $PPID || exit 1; done",
	})
	if !got.Success {
		t.Fatalf("got %+v", got)
	}
	call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "true"})
}

// TestReapsOrphans: what the sandbox orphans leaves no zombie.
func TestReapsOrphans(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.05 &) ; done"})
	until(t, "no zombie is left", func() bool {
		got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "ps -o stat= --ppid $PPID | grep -v ^Z | wc -l; ps -o stat= --ppid $PPID | grep -c ^Z"})
		return strings.HasSuffix(got.Stdout, "\n0\n")
	})
}

// TestPeer: a process that knows the token but is not the init is refused, also
// before it is known who the init is, and cannot make the link broken.
func TestPeer(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	l := openLink(t, dir)
	stranger := func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), envRole+"=stranger", "EDGE_INIT_DIR="+dir)
		return c
	}
	early := stranger()
	if err := early.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the stranger waits", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.conns) == 1 })
	p := startInit(t, dir)
	l.SetPeer(p.cmd.Process.Pid)
	if err := early.Wait(); err != nil {
		t.Errorf("early stranger: %v", err)
	}
	for range 2 {
		if err := stranger().Run(); err != nil {
			t.Errorf("stranger: %v", err)
		}
	}
	if h, err := l.Ready(within(t)); err != nil || h.PID != p.cmd.Process.Pid {
		t.Errorf("hello %+v, %v", h, err)
	}
	if err := l.Call(within(t), initproto.OpPing, nil, nil); err != nil {
		t.Errorf("ping: %v", err)
	}
	l.mu.Lock()
	if n := len(l.violations); n > 0 {
		t.Errorf("strangers count as %d violations of the init", n)
	}
	l.mu.Unlock()
	l.SetPeer(1) // the init is another one now
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := l.Call(ctx, initproto.OpPing, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the old init still answers: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	long := filepath.Join(shortDir(t), strings.Repeat("x", 107))
	if _, err := Open(Config{Dir: long, Token: "t"}); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("long path: %v", err)
	}
	if _, err := os.Stat(long); err == nil {
		t.Error("the directory of a refused link was made")
	}
	if _, err := Open(Config{Dir: shortDir(t)}); err == nil {
		t.Error("no token, no error")
	}
	file := filepath.Join(shortDir(t), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: file, Token: "t"}); err == nil {
		t.Error("a file as directory, no error")
	}
}

func TestSocketModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), "run")
	openLink(t, dir)
	for name, want := range map[string]os.FileMode{dir: 0o755, dir + "/s": 0o666} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
	}
}
