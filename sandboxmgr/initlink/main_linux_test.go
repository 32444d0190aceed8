package initlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
	"edge/sandboxmgr/initd"
	"edge/sandboxmgr/initproto"
)

// envRole makes this test binary be something else than the tests.
const envRole = "INITLINK_TEST_ROLE"

// nobody is the user of an init that is not root's.
const nobody = 65534

// patience bounds waiting for what must happen; nothing is said by its length.
const patience = 2 * time.Minute

// unhurried are a link's bounds where none of them is the subject: an init on a
// machine that has much else to do is as good as any.
func unhurried() timing {
	return timing{hello: patience, frame: patience, write: patience, dial: patience, answer: patience, grace: patience, peer: patience}
}

const testToken = "0123456789abcdef"

// TestMain runs the real init in place of the tests when it is told to: it
// must have a process of its own, because it reaps every child.
func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case "init":
		os.Unsetenv(envRole)
		os.Exit(initd.Main(nil))
	case "pid1":
		os.Unsetenv(envRole)
		if err := freshProc(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(initd.Main(nil))
	case "nobody":
		os.Unsetenv(envRole)
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(initd.Main(nil))
	case "few watches": // in a user namespace of its own, which has limits of its own
		os.Unsetenv(envRole)
		if err := errors.Join(os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("4"), 0), os.WriteFile("/proc/sys/user/max_inotify_instances", []byte("2"), 0)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(initd.Main(nil))
	case "stranger":
		os.Exit(beStranger())
	}
	goleak.VerifyTestMain(testleak.Settle(m))
}

// shortDir returns a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "il")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func openLink(t testing.TB, dir string) *Link {
	t.Helper()
	return openTimed(t, dir, unhurried())
}

func openTimed(t testing.TB, dir string, times timing) *Link {
	t.Helper()
	l, err := open(Config{Dir: dir, Token: testToken}, times)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// initProcess is a real init.
type initProcess struct {
	cmd  *exec.Cmd
	work string // a directory for the test's files
	out  syncBuffer
	once sync.Once
}

// startInit starts an init that connects to dir; the test's end ends it with
// all that it started.
func startInit(t testing.TB, dir string) *initProcess {
	t.Helper()
	return startRole(t, dir, "init", nil)
}

func startRole(t testing.TB, dir, role string, attr *syscall.SysProcAttr) *initProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startExecutable(t, self, dir, role, attr)
}

// startExecutable is startRole with a copy of the test binary.
func startExecutable(t testing.TB, path, dir, role string, attr *syscall.SysProcAttr) *initProcess {
	t.Helper()
	p := &initProcess{cmd: exec.Command(path), work: shortDir(t)}
	p.cmd.Env = append(os.Environ(), envRole+"="+role, "EDGE_INIT_TOKEN="+testToken, "EDGE_INIT_DIR="+dir)
	p.cmd.SysProcAttr = attr
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	return p
}

// end asks the init to end by SIGTERM, which ends its children too.
func (p *initProcess) end(t testing.TB) {
	p.once.Do(func() {
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil { // handled, and does nothing
			t.Logf("interrupt: %v", err)
		}
		p.cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
		defer late.Stop()
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("init said:\n%s", p.out.String())
		}
	})
}

// sandbox is a link with a real init behind it.
type sandbox struct {
	*Link
	init *initProcess
	dir  string
}

func newSandbox(t testing.TB) *sandbox {
	t.Helper()
	return newTimed(t, unhurried())
}

func newTimed(t testing.TB, times timing) *sandbox {
	t.Helper()
	dir := shortDir(t)
	l := openTimed(t, dir, times)
	p := startInit(t, dir)
	l.SetPeer(p.cmd.Process.Pid)
	if _, err := l.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	return &sandbox{Link: l, init: p, dir: dir}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// call carries out a row of the table and fails the test if it fails.
func call[Req, Resp any](t testing.TB, l *Link, op *abi.Operation[Req, Resp], req Req) *Resp {
	t.Helper()
	resp, err := try(t, l, op, req)
	if err != nil {
		t.Fatalf("%s: %v", op.Name(), err)
	}
	return resp
}

func try[Req, Resp any](t testing.TB, l *Link, op *abi.Operation[Req, Resp], req Req) (*Resp, error) {
	t.Helper()
	resp := new(Resp)
	return resp, l.Call(within(t), op.Name(), req, resp)
}

// wantCode fails the test unless err is an *abi.Error of the code.
func wantCode(t testing.TB, err error, code abi.Code) *abi.Error {
	t.Helper()
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return e
}

// until waits for a condition that comes true by itself.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

// alive tells whether a process that shows the text in its command line runs.
func alive(t testing.TB, text string) bool {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err == nil && strings.Contains(strings.ReplaceAll(string(b), "\x00", " "), text) {
			return true
		}
	}
	return false
}

// syncBuffer is a buffer that a process writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = append(s.b, p...)
	return len(p), nil
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.b)
}

// beStranger is another process that knows the token: it tries to be the init
// and exits with 0 if it was refused.
func beStranger() int {
	c, err := net.Dial("unix", os.Getenv("EDGE_INIT_DIR")+"/s")
	if err != nil {
		return 3
	}
	defer c.Close()
	w := initproto.NewWriter(c)
	w.Head(initproto.TypeHello, initproto.Hello{Min: 1, Max: 1, Token: testToken, Boot: "x"})
	_ = w.Flush()
	var welcome initproto.Welcome
	if initproto.NewReader(c).Head(initproto.TypeWelcome, initproto.MaxHello, &welcome) == nil {
		return 4
	}
	return 0
}
