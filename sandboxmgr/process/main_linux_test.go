package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
	"edge/sandboxmgr"
	"edge/sandboxmgr/process/stage"
	"edge/sandboxmgr/runtimetest"
)

// The commands of the test binary besides the tests.
const (
	testInit = "test-init" // the machines' init
	testEdge = "test-edge" // starts a machine and stays until it is killed
	// testFault is a stage that fails before the step which the next argument
	// names, or dies there.
	testFault = "test-fault"
	faultDies = "die"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case StageCommand:
			os.Exit(Stage(os.Args[2:]))
		case testFault:
			os.Exit(stage.Run(nil, func(step string) error { return injectFault(os.Args[2], step) }))
		case testInit:
			runtimetest.GuestMain()
		case testEdge:
			runEdge(os.Args[2])
		}
	}
	goleak.VerifyTestMain(testleak.Settle(m), goleak.Cleanup(func(code int) {
		built.remove()
		os.Exit(code)
	}))
}

// injectFault fails the step that is wanted.
func injectFault(wanted, step string) error {
	if wanted == step {
		return errInjected
	}
	if wanted == faultDies {
		os.Exit(3)
	}
	return nil
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

// bench is a runtime in a state folder of its own, with a machine's description.
type bench struct {
	*runtimetest.Bench
	rt    *Runtime
	state string
}

func newBench(t testing.TB, change ...func(*sandboxmgr.MachineSpec)) *bench {
	t.Helper()
	state := t.TempDir()
	r, err := New(Config{StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err != nil {
		runtimetest.Skip(t, "%v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Bench: runtimetest.NewBench(t, r), rt: r, state: state}
	b.Gone = b.gone
	b.Spec.InitPath, b.Spec.InitArgs, b.Spec.Network = self, []string{testInit}, "none"
	for _, f := range change {
		f(&b.Spec)
	}
	return b
}

// gone checks that nothing of the machine is left: folder, control groups,
// mounts, zombies.
func (b *bench) gone(t testing.TB, pid int) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(b.state, "machines", b.Spec.Name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the machine's folder is still there (%v)", err)
	}
	for _, dir := range b.rt.groups.at(b.Spec.Name).dirs() {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("control group %s is still there", dir)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), b.Spec.Name) {
		t.Errorf("a mount of %s is still there", b.Spec.Name)
	}
	if _, err := os.Lstat(fmt.Sprintf("/proc/%d", pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d is still there", pid)
	}
}
