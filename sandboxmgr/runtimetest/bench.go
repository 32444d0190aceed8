// Package runtimetest holds what every sandboxmgr.Runtime must do, as tests that
// each runtime's package runs against its own, and the init that machines run
// meanwhile. Tests alone import it.
package runtimetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"edge/sandboxmgr"
)

// Runtime is what is tested: a runtime that can list its machines too.
type Runtime interface {
	sandboxmgr.Runtime
	sandboxmgr.Lister
}

// Bench is a runtime, a machine's description, and the socket that its init
// connects to.
type Bench struct {
	Runtime Runtime
	Spec    sandboxmgr.MachineSpec
	Socket  net.Listener
	// Gone checks that nothing is left of the machine after its removal; pid is
	// what its init's process was.
	Gone func(t testing.TB, pid int)
	// Apart is set when the edge cannot see the machine's processes: PID is 0,
	// and Dial says that it cannot.
	Apart bool
	// NoTerminal says why the machine's kernel has no terminals that this suite
	// could look at; "" where it has.
	NoTerminal string
	// Kill kills the machine's init where its process cannot be seen.
	Kill func(t testing.TB)
}

// NewBench returns a bench whose machine has a name that no other test's has,
// and that the test's end removes. The caller sets what is missing of Spec:
// image and init.
func NewBench(t testing.TB, rt Runtime) *Bench {
	t.Helper()
	dir := RunDir(t)
	b := &Bench{Runtime: rt, Socket: Listen(t, dir), Spec: sandboxmgr.MachineSpec{
		Name:   fmt.Sprintf("edge.test%d.Sandbox.%s", os.Getpid(), strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))),
		Labels: map[string]string{sandboxmgr.LabelOwner: "test"},
		RunDir: dir,
		Env:    map[string]string{"EDGE_INIT_TOKEN": "secret"},
	}}
	t.Cleanup(func() {
		if err := rt.Remove(context.Background(), b.Spec.Name); err != nil {
			t.Errorf("Remove: %v", err)
		}
	})
	return b
}

// Start starts the machine and waits for its guest. The test's end closes both.
func (b *Bench) Start(t testing.TB) (sandboxmgr.Machine, *Guest) {
	t.Helper()
	m, err := b.Runtime.Start(t.Context(), b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, Accept(t, b.Socket)
}

// Stop stops the machine, which gets the time that it needs.
func Stop(t testing.TB, m sandboxmgr.Machine) {
	t.Helper()
	if err := m.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

// Remove removes the machine and checks that nothing is left of it.
func (b *Bench) Remove(t testing.TB, pid int) {
	t.Helper()
	if err := b.Runtime.Remove(t.Context(), b.Spec.Name); err != nil {
		t.Errorf("Remove: %v", err)
	}
	b.Gone(t, pid)
}

// WaitEnd returns how the machine ended.
func WaitEnd(t testing.TB, m sandboxmgr.Machine) sandboxmgr.MachineExit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exit, err := m.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return exit
}

// Echo tells whether what is sent comes back.
func Echo(c net.Conn) error {
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		return fmt.Errorf("echo %q, %v", b, err)
	}
	return nil
}

// Skip skips a test loudly where the computer lacks something; with CI=true,
// where everything must be there, it fails.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}
