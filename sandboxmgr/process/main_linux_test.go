package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/sandboxmgr"
)

// The commands of the test binary besides the tests.
const (
	testInit = "test-init" // the machines' init
	testEdge = "test-edge" // starts a machine and stays until it is killed
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case StageCommand:
			os.Exit(Stage(os.Args[2:]))
		case testInit:
			runInit()
		case testEdge:
			runEdge(os.Args[2])
		}
	}
	goleak.VerifyTestMain(m)
}

// Ports that the init serves echo on.
const (
	portV4  = 8080 // 127.0.0.1
	portV6  = 8081 // ::1
	portAll = 8082 // 0.0.0.0
)

// termCode is the init's exit code after SIGTERM.
const termCode = 7

// command is what the init is told through the socket in RunDir.
type command struct {
	Shell string `json:",omitempty"` // run by /bin/sh
	Eat   int    `json:",omitempty"` // bytes to allocate and touch
}

type answer struct {
	Output string
	Err    string
}

// runInit is the machines' init: it serves echo and does what the socket says,
// connecting again and again as edges come and go.
func runInit() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		os.Exit(termCode)
	}()
	for _, a := range []string{fmt.Sprintf("127.0.0.1:%d", portV4), fmt.Sprintf("[::1]:%d", portV6), fmt.Sprintf("0.0.0.0:%d", portAll)} {
		ln, err := net.Listen("tcp", a)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serveEcho(ln)
	}
	for {
		c, err := net.Dial("unix", runTarget+"/s")
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		obey(c)
	}
}

func serveEcho(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

func obey(c net.Conn) {
	defer c.Close()
	var eaten []byte
	for s := bufio.NewScanner(c); s.Scan(); {
		var cmd command
		if err := json.Unmarshal(s.Bytes(), &cmd); err != nil {
			return
		}
		eaten = make([]byte, cmd.Eat)
		for i := 0; i < len(eaten); i += 4096 {
			eaten[i] = 1
		}
		var a answer
		if cmd.Shell != "" {
			out, err := exec.Command("/bin/sh", "-c", cmd.Shell).CombinedOutput()
			a.Output = string(out)
			if err != nil {
				a.Err = err.Error()
			}
		}
		b, _ := json.Marshal(a)
		if _, err := c.Write(append(b, '\n')); err != nil {
			return
		}
	}
}

// runEdge starts the machine "edge.test.Sandbox.orphan" in the state folder,
// says its process id and waits to be killed.
func runEdge(state string) {
	err := func() error {
		r, err := New(Config{StateDir: state})
		if err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		m, err := r.Start(context.Background(), sandboxmgr.MachineSpec{
			Name: orphanName, RunDir: filepath.Join(state, "run"), InitPath: self, InitArgs: []string{testInit},
		})
		if err != nil {
			return err
		}
		fmt.Println(m.PID())
		return nil
	}()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

// bench is a runtime, a machine's description and the socket that its init
// connects to.
type bench struct {
	*Runtime
	state string
	spec  sandboxmgr.MachineSpec
	ln    net.Listener
}

func newBench(t testing.TB, change ...func(*sandboxmgr.MachineSpec)) *bench {
	t.Helper()
	state := t.TempDir()
	r, err := New(Config{StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err != nil {
		cannot(t, "%v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The name of a socket is short, that of a test's folder need not be.
	run, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	if err := os.Chmod(run, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &bench{Runtime: r, state: state, spec: sandboxmgr.MachineSpec{
		Name:   fmt.Sprintf("edge.%d.Sandbox.%s", os.Getpid(), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))),
		RunDir: run, InitPath: self, InitArgs: []string{testInit}, Network: "none",
	}}
	for _, f := range change {
		f(&b.spec)
	}
	b.ln = listen(t, run)
	t.Cleanup(func() {
		if err := r.Remove(context.Background(), b.spec.Name); err != nil {
			t.Errorf("Remove: %v", err)
		}
	})
	return b
}

func listen(t testing.TB, dir string) net.Listener {
	t.Helper()
	path := filepath.Join(dir, "s")
	os.Remove(path)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func (b *bench) start(t testing.TB) (sandboxmgr.Machine, *guest) {
	t.Helper()
	m, err := b.Start(t.Context(), b.spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, accept(t, b.ln)
}

// guest is the init's end of the socket.
type guest struct {
	conn net.Conn
	in   *bufio.Reader
}

func accept(t testing.TB, ln net.Listener) *guest {
	t.Helper()
	ln.(*net.UnixListener).SetDeadline(time.Now().Add(20 * time.Second))
	c, err := ln.Accept()
	if err != nil {
		t.Fatalf("the init did not connect: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return &guest{conn: c, in: bufio.NewReader(c)}
}

func (g *guest) call(cmd command) (answer, error) {
	var a answer
	g.conn.SetDeadline(time.Now().Add(30 * time.Second))
	text, err := json.Marshal(cmd)
	if err != nil {
		return a, err
	}
	if _, err := g.conn.Write(append(text, '\n')); err != nil {
		return a, err
	}
	line, err := g.in.ReadBytes('\n')
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(line, &a)
}

// sh runs a command that succeeds and returns its output.
func (g *guest) sh(t testing.TB, script string) string {
	t.Helper()
	a, err := g.call(command{Shell: script})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	if a.Err != "" {
		t.Errorf("%s: %s: %s", script, a.Err, a.Output)
	}
	return strings.TrimSpace(a.Output)
}

// cannot skips loudly, except where everything must be there.
func cannot(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

func waitEnd(t testing.TB, m sandboxmgr.Machine) sandboxmgr.MachineExit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	exit, err := m.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return exit
}

// gone checks that nothing of the machine is left: folder, control groups,
// mounts, zombies.
func (b *bench) gone(t *testing.T, pid int) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(b.state, "machines", b.spec.Name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the machine's folder is still there (%v)", err)
	}
	for _, dir := range b.groups.at(b.spec.Name).dirs {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("control group %s is still there", dir)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), b.spec.Name) {
		t.Errorf("a mount of %s is still there", b.spec.Name)
	}
	if _, err := os.Lstat(fmt.Sprintf("/proc/%d", pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d is still there", pid)
	}
}
