package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
	"edge/sandboxmgr/initlink"
	"edge/sandboxmgr/runtimetest"
)

// realBench is a runtime whose machines run the real init, which is also their
// stage, as in the edge.
type realBench struct {
	rt      *Runtime
	program string
}

func newRealBench(t testing.TB) *realBench {
	t.Helper()
	program := buildProgram(t, initProgram)
	rt, err := New(Config{StateDir: t.TempDir(), Executable: program})
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Check(t.Context()); err != nil {
		runtimetest.Skip(t, "%v", err)
	}
	return &realBench{rt: rt, program: program}
}

// Programs that the tests build.
const (
	guestProgram = "edge/sandboxmgr/process/testdata/guest"
	initProgram  = "edge/cmd/edge-init"
)

// programsEnv names a folder of programs that were built already.
const programsEnv = "EDGE_TEST_PROGRAMS"

// programs are built once for all tests.
type programs struct {
	mu  sync.Mutex
	dir string
}

var built programs

// path returns where a package's program is, built without cgo so that it runs
// on any root.
func (p *programs) path(pkg string) (string, error) {
	if dir := os.Getenv(programsEnv); dir != "" {
		return filepath.Join(dir, filepath.Base(pkg)), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "edge")
		if err != nil {
			return "", err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return "", err
		}
		p.dir = dir
	}
	program := filepath.Join(p.dir, filepath.Base(pkg))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

func (p *programs) remove() {
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
}

func buildProgram(t testing.TB, pkg string) string {
	t.Helper()
	program, err := built.path(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// live is a machine with the edge's end of its init.
type live struct {
	sandboxmgr.Machine
	rt   *Runtime
	link *initlink.Link
	spec sandboxmgr.MachineSpec
}

// start starts the machine edge.test.Sandbox.{id}. The caller removes it.
func (k *realBench) start(t testing.TB, id string) *live {
	t.Helper()
	const token = "0123456789abcdef0123456789abcdef"
	spec := sandboxmgr.MachineSpec{
		Name: "edge.test.Sandbox." + id, RunDir: runtimetest.RunDir(t), InitPath: k.program, Network: "none",
		Env: map[string]string{"EDGE_INIT_TOKEN": token}, MemoryBytes: 256 << 20, CPUs: 1, PIDs: 128,
	}
	link, err := initlink.Open(initlink.Config{Dir: spec.RunDir, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	m, err := k.rt.Start(t.Context(), spec)
	if err != nil {
		link.Close()
		t.Fatal(err)
	}
	link.SetPeer(m.PID())
	return &live{Machine: m, rt: k.rt, link: link, spec: spec}
}

// run runs a program inside, which must succeed, and returns its output.
func (l *live) run(t testing.TB, argv ...string) string {
	t.Helper()
	var answer abi.ExecResponse
	if err := l.link.Call(t.Context(), "exec", &abi.ExecRequest{Argv: argv}, &answer); err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	if !answer.Success {
		t.Errorf("%q: exit code %d, %s", argv, answer.ExitCode, answer.Stderr)
	}
	return strings.TrimSpace(answer.Stdout)
}

func (l *live) remove(t testing.TB) {
	t.Helper()
	if err := l.rt.Remove(t.Context(), l.spec.Name); err != nil {
		t.Errorf("Remove: %v", err)
	}
	l.link.Close()
	l.Close()
}
