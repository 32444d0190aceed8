package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr"
)

// orphanName is the machine of the edge that is killed.
const orphanName = "edge.test.Sandbox.orphan"

func TestLifecycle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.start(t)
	g.sh(t, "echo kept > /workspace/file; echo lost > /tmp/file")
	if got := g.sh(t, "pwd; hostname; id -u; echo $HOME"); got != "/workspace\n"+hostnameOf(b.spec.Name)+"\n10001\n/workspace" {
		t.Errorf("surroundings %q", got)
	}
	again, err := b.Start(t.Context(), b.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	adopted, err := b.Adopt(t.Context(), b.spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	if again.PID() != m.PID() || adopted.PID() != m.PID() {
		t.Errorf("PIDs %d, %d, %d: want the same", m.PID(), again.PID(), adopted.PID())
	}
	if err := m.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, h := range []sandboxmgr.Machine{m, again, adopted} {
		if exit := waitEnd(t, h); exit.Code != termCode {
			t.Errorf("exit %+v, want code %d", exit, termCode)
		}
	}
	if err := m.Stop(t.Context(), time.Second); err != nil {
		t.Errorf("Stop of a stopped machine: %v", err)
	}
	if _, err := b.Adopt(t.Context(), b.spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt of a stopped machine: %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	next, g := b.start(t)
	if got := g.sh(t, "cat /workspace/file; ls /tmp"); got != "kept" {
		t.Errorf("after a stop: %q, want %q", got, "kept")
	}
	g.sh(t, "mkdir -p /workspace/a/b; touch /workspace/a/b/c; chmod 000 /workspace/a/b /workspace/a")
	for range 2 {
		if err := b.Remove(t.Context(), b.spec.Name); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	if exit := waitEnd(t, next); exit.Code != 128+int(syscall.SIGKILL) || exit.OOMKilled {
		t.Errorf("exit after Remove %+v", exit)
	}
	b.gone(t, next.PID())
}

// TestMachines: machines are listed by a label, running or not, also when the
// label is another one than at the last start.
func TestMachines(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	list := func(value string, want ...string) {
		t.Helper()
		got, err := b.Machines(t.Context(), "edge.owner", value)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("machines of %q: %q, %v; want %q", value, got, err, want)
		}
	}
	list("me")
	b.spec.Labels = map[string]string{"edge.owner": "you"}
	m, g := b.start(t)
	list("you", b.spec.Name)
	if err := m.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	list("you", b.spec.Name)
	g.conn.Close()
	b.spec.Labels = map[string]string{"edge.owner": "me"}
	b.start(t)
	list("me", b.spec.Name)
	list("you")
	list("")
	// What is no machine, or not known to be anybody's, is nobody's.
	machines := filepath.Join(b.state, "machines")
	for name, labels := range map[string]string{"none": "", "cut": `{"edge.ow`} {
		if err := errors.Join(os.Mkdir(filepath.Join(machines, name), 0o700),
			os.WriteFile(filepath.Join(machines, name, labelsFile), []byte(labels), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(machines, "empty"), 0o700), os.WriteFile(filepath.Join(machines, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	list("me", b.spec.Name)
	list("")
	if err := b.Remove(t.Context(), b.spec.Name); err != nil {
		t.Fatal(err)
	}
	list("me")
}

func TestStopKillsAfterGrace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, g := b.start(t)
	g.sh(t, "setsid sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &")
	if err := syscall.Kill(m.PID(), syscall.SIGSTOP); err != nil { // deaf
		t.Fatal(err)
	}
	if err := m.Stop(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if exit := waitEnd(t, m); exit.Code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %+v, want killed", exit)
	}
}

func TestRacingCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pids := make([]int, 8)
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
			t.Fatalf("process ids %v: want one machine", pids)
		}
	}
	// All have let go: what an Adopt now holds was found by its record.
	m, err := b.Adopt(t.Context(), b.spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := b.Remove(t.Context(), b.spec.Name); err != nil {
		t.Fatal(err)
	}
	waitEnd(t, m)
	b.gone(t, pids[0])
}

// TestEndUnwatched: a machine that ends while nobody holds it leaves no zombie
// once its name is used again.
func TestEndUnwatched(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.start(t)
	p, err := openProcess(m.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	m.Close()
	if err := errors.Join(p.signal(syscall.SIGKILL), p.wait()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Adopt(t.Context(), b.spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	if _, err := os.Lstat(fmt.Sprintf("/proc/%d", p.pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d was not reaped", p.pid)
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m, _ := b.start(t)
	for name, port := range map[string]int{"127.0.0.1": portV4, "::1": portV6, "0.0.0.0": portAll} {
		c, err := m.Dial(t.Context(), port)
		if os.Geteuid() != 0 {
			if !errors.Is(err, sandboxmgr.ErrNoDial) {
				t.Errorf("Dial without root = %v, want %v", err, sandboxmgr.ErrNoDial)
			}
			continue
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
	if os.Geteuid() == 0 {
		if _, err := m.Dial(t.Context(), 9999); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial of a closed port = %v, want %v", err, syscall.ECONNREFUSED)
		}
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

// TestSurvivesEdge kills an edge that has started a machine and adopts that.
func TestSurvivesEdge(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Name = orphanName })
	if err := os.Symlink(b.spec.RunDir, filepath.Join(b.state, "run")); err != nil {
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
	before := accept(t, b.ln)
	before.sh(t, "(while sleep 0.01; do :; done) >/dev/null 2>&1 & echo $! > /tmp/worker")
	// The whole process group: a terminal's Ctrl-C or hang-up hits that, too.
	if err := syscall.Kill(-edge.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	edge.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the edge said %q", line)
	}
	m, err := b.Adopt(t.Context(), orphanName)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.PID() != pid {
		t.Errorf("adopted process %d, want %d", m.PID(), pid)
	}
	before.conn.Close() // the init comes back to whoever listens
	after := accept(t, b.ln)
	after.sh(t, "kill -0 $(cat /tmp/worker)")
	if err := m.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if exit := waitEnd(t, m); exit.Code != termCode && exit.Code != exitUnknown {
		t.Errorf("exit %+v, want code %d or %d", exit, termCode, exitUnknown)
	}
	if err := b.Remove(t.Context(), orphanName); err != nil {
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
	folder := filepath.Join(b.state, "machines", b.spec.Name)
	if err := b.prepare(folder, nil); err != nil {
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
		if _, err := b.Adopt(t.Context(), b.spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
			t.Errorf("%s: Adopt = %v, want %v", name, err, sandboxmgr.ErrNoMachine)
		}
	}
	if err := b.Remove(t.Context(), b.spec.Name); err != nil {
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
		spec := b.spec
		tt.change(&spec)
		m, err := b.Start(t.Context(), spec)
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
	if _, err := b.Start(ctx, b.spec); !errors.Is(err, context.Canceled) {
		t.Errorf("Start of a cancelled call = %v", err)
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
		c := accept(b, k.ln)
		if os.Geteuid() == 0 {
			conn, err := m.Dial(b.Context(), portV4)
			if err != nil {
				b.Fatal(err)
			}
			if err := echo(conn); err != nil {
				b.Fatal(err)
			}
			conn.Close()
		}
		b.StopTimer()
		if err := m.Stop(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
		c.conn.Close() // after the init's end: it would come again
		m.Close()
		b.StartTimer()
	}
}
