package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// orphanName is the machine of the edge that is killed.
const orphanName = "edge.test.Sandbox.orphan"

func TestRuntime(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(t testing.TB) *runtimetest.Bench { return newBench(t).Bench })
}

// TestSurroundings: where the init finds itself, what a stop does not keep, and
// that nothing a machine wrote is in the way of its removal.
func TestSurroundings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.Start(t)
	g.Shell(t, "echo lost > /tmp/file")
	if got := g.Shell(t, "pwd; hostname; id -u; echo $HOME"); got != "/workspace\n"+hostnameOf(b.Spec.Name)+"\n10001\n/workspace" {
		t.Errorf("surroundings %q", got)
	}
	runtimetest.Stop(t, m)
	m, g = b.Start(t)
	if got := g.Shell(t, "ls /tmp"); got != "" {
		t.Errorf("after a stop /tmp holds %q", got)
	}
	g.Shell(t, "mkdir -p /workspace/a/b; touch /workspace/a/b/c; chmod 000 /workspace/a/b /workspace/a")
	b.Remove(t, m.PID())
	if exit := runtimetest.WaitEnd(t, m); exit.Code != 128+int(syscall.SIGKILL) || exit.OOMKilled {
		t.Errorf("exit after Remove %+v", exit)
	}
}

// TestLabels: a machine has the labels of its last start, and what has none that
// can be read is nobody's.
func TestLabels(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	list := func(value string, want ...string) {
		t.Helper()
		got, err := b.rt.Machines(t.Context(), sandboxmgr.LabelOwner, value)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("machines of %q: %q, %v; want %q", value, got, err, want)
		}
	}
	for _, owner := range []string{"you", "me"} {
		b.Spec.Labels = map[string]string{sandboxmgr.LabelOwner: owner}
		m, g := b.Start(t)
		runtimetest.Stop(t, m)
		g.Conn.Close()
	}
	machines := filepath.Join(b.state, "machines")
	for name, labels := range map[string]string{"blank": "", "cut": `{"edge.ow`} {
		folder := filepath.Join(machines, name)
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, labelsFile), []byte(labels), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(machines, "empty"), 0o700), os.WriteFile(filepath.Join(machines, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	list("me", b.Spec.Name)
	list("you")
	list("", b.Spec.Name) // anybody's
}

func TestStopKillsAfterGrace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.Start(t)
	g.Shell(t, "setsid sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &")
	if err := syscall.Kill(m.PID(), syscall.SIGSTOP); err != nil { // deaf
		t.Fatal(err)
	}
	if err := m.Stop(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	// Where processes are paused by signals a stopped init is a paused one, which
	// a stop lets run again: it may just obey in time.
	bySignals := freezerOf(m.(*handle).machine).name() == (signals{}).name()
	exit := runtimetest.WaitEnd(t, m)
	if exit.Code != 128+int(syscall.SIGKILL) && !(bySignals && exit.Code == runtimetest.TermCode) {
		t.Errorf("exit %+v, want killed", exit)
	}
}

// TestEndUnwatched: a machine that ends while nobody holds it leaves no zombie
// once its name is used again.
func TestEndUnwatched(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.Start(t)
	p, err := openProcess(m.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	m.Close()
	if err := errors.Join(p.signal(syscall.SIGKILL), p.wait()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.rt.Adopt(t.Context(), b.Spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	if _, err := os.Lstat(fmt.Sprintf("/proc/%d", p.pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d was not reaped", p.pid)
	}
}

// TestSurvivesEdge kills an edge that has started a machine and adopts that.
func TestSurvivesEdge(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Name = orphanName })
	if err := os.Symlink(b.Spec.RunDir, filepath.Join(b.state, "run")); err != nil {
		t.Fatal(err)
	}
	edge := exec.Command("/proc/self/exe", testEdge, b.state)
	edge.Stderr = os.Stderr
	edge.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := edge.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := edge.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	before := runtimetest.Accept(t, b.Socket)
	before.Shell(t, "(while sleep 0.01; do :; done) >/dev/null 2>&1 & echo $! > /tmp/worker")
	// The whole process group: a terminal's Ctrl-C or hang-up hits that, too.
	if err := syscall.Kill(-edge.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	edge.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the edge said %q", line)
	}
	m, err := b.rt.Adopt(t.Context(), orphanName)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.PID() != pid {
		t.Errorf("adopted process %d, want %d", m.PID(), pid)
	}
	before.Conn.Close() // the init comes back to whoever listens
	after := runtimetest.Accept(t, b.Socket)
	after.Shell(t, "kill -0 $(cat /tmp/worker)")
	if err := m.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if exit := runtimetest.WaitEnd(t, m); exit.Code != runtimetest.TermCode && exit.Code != exitUnknown {
		t.Errorf("exit %+v, want code %d or %d", exit, runtimetest.TermCode, exitUnknown)
	}
	if err := b.rt.Remove(t.Context(), orphanName); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(b.state, "machines", orphanName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the machine's folder is still there")
	}
}

// TestAnotherProcess: a record whose process id has become somebody else's
// names no machine, and nothing happens to that process.
func TestAnotherProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	folder := filepath.Join(b.state, "machines", b.Spec.Name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	own, err := newRecord(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for name, rec := range map[string]record{
		"other start": {PID: own.PID, Start: own.Start + 1, Boot: own.Boot},
		"other boot":  {PID: own.PID, Start: own.Start, Boot: "00000000-0000-0000-0000-000000000000"},
		"no process":  {PID: 1 << 22, Start: own.Start, Boot: own.Boot},
		"damaged":     {},
	} {
		if err := rec.write(folder); err != nil {
			t.Fatal(err)
		}
		if _, err := b.rt.Adopt(t.Context(), b.Spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
			t.Errorf("%s: Adopt = %v, want %v", name, err, sandboxmgr.ErrNoMachine)
		}
	}
	if err := b.rt.Remove(t.Context(), b.Spec.Name); err != nil {
		t.Errorf("Remove = %v", err)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	notExecutable := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(notExecutable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*sandboxmgr.MachineSpec)
		want   string
	}{
		{"name with a slash", func(s *sandboxmgr.MachineSpec) { s.Name = "../x" }, "machine name"},
		{"empty name", func(s *sandboxmgr.MachineSpec) { s.Name = "" }, "machine name"},
		{"network", func(s *sandboxmgr.MachineSpec) { s.Network = "bridge" }, "runtime: docker"},
		{"no init", func(s *sandboxmgr.MachineSpec) { s.InitPath = "/no/init" }, "/no/init"},
		{"init not executable", func(s *sandboxmgr.MachineSpec) { s.InitPath = notExecutable }, "executable by every user"},
		{"no run folder", func(s *sandboxmgr.MachineSpec) { s.RunDir = "/no/run" }, "/no/run"},
		{"no tools", func(s *sandboxmgr.MachineSpec) { s.Tools = []string{"/no/tools"} }, "/no/tools"},
	}
	for _, tt := range tests {
		spec := b.Spec
		tt.change(&spec)
		m, err := b.rt.Start(t.Context(), spec)
		if err == nil {
			m.Close()
			t.Errorf("%s: started", tt.name)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q does not say %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.rt.Start(ctx, b.Spec); !errors.Is(err, context.Canceled) {
		t.Errorf("Start of a cancelled call = %v", err)
	}
	b.Start(t) // none of it is in the way
}
