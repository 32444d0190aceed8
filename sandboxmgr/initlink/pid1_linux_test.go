package initlink

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// freshProc gives a process in namespaces of its own the /proc that belongs to
// them.
func freshProc() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return nil
}

// TestProcessOne runs the init as what it is in a sandbox: process 1 of a PID
// namespace.
func TestProcessOne(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root for a PID namespace")
		}
		t.Skip("NOT RUN: needs root for a PID namespace")
	}
	dir := shortDir(t)
	l := openLink(t, dir)
	p := startRole(t, dir, "pid1", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS})
	l.SetPeer(p.cmd.Process.Pid)
	s := &sandbox{Link: l, init: p, dir: dir}
	if h, err := l.Ready(within(t)); err != nil || h.PID != p.cmd.Process.Pid {
		t.Fatalf("hello %+v, %v", h, err)
	}
	got := call(t, l, abi.Exec, abi.ExecRequest{Command: "for s in $(seq 1 64); do test $s = 15 || kill -s $s 1; done; echo $PPID"})
	if got.Stdout != "1\n" {
		t.Errorf("got %+v", got)
	}
	start(t, s, "tree", "(setsid sleep 831 &); env -i setsid sleep 832 & exec sleep 833")
	until(t, "the tree is up", func() bool { return alive(t, "sleep 831") && alive(t, "sleep 832") })
	if k := call(t, l, abi.KillProcess, abi.KillRequest{ProcessID: "tree"}); k.Status != abi.StatusKilled {
		t.Errorf("killed %+v", k)
	}
	for _, text := range []string{"sleep 831", "sleep 832", "sleep 833"} {
		if alive(t, text) {
			t.Errorf("%s was left", text)
		}
	}
	start(t, s, "stubborn", "trap '' TERM; while :; do sleep 0.01; done")
	if err := l.Call(within(t), initproto.OpShutdown, abi.StopRequest{Grace: abi.Duration(100 * time.Millisecond)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the init ended with %v", err)
	}
}
