package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"edge/sandboxmgr"
	"edge/sandboxmgr/process/stage"
	"edge/sandboxmgr/runtimetest"
)

// errInjected is what the faults of these tests are.
var errInjected = errors.New("injected")

// birthSteps are the names of a start's steps, as a start that works takes them.
func birthSteps(t *testing.T) []string {
	t.Helper()
	b := newBench(t)
	var names []string
	b.rt.before = func(step string) error {
		names = append(names, step)
		return nil
	}
	b.Start(t)
	if len(names) < 5 {
		t.Fatalf("the steps of a start are %q", names)
	}
	return names
}

// TestFailedStart fails each step of a start, in the edge and in the stage:
// nothing is left, the next start works, and what an earlier machine of that
// name wrote is not touched.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	faults := map[string]func(b *bench){}
	for _, step := range birthSteps(t) {
		faults["edge: "+step] = func(b *bench) {
			b.rt.before = func(s string) error {
				if s == step {
					return errInjected
				}
				return nil
			}
		}
	}
	for _, step := range stage.Steps() {
		faults["stage: "+step] = func(b *bench) { b.rt.spawner.args = []string{testFault, step} }
	}
	faults["stage: killed"] = func(b *bench) { b.rt.spawner.args = []string{testFault, faultDies} }
	for name, break_ := range faults {
		t.Run(strings.NewReplacer(": ", "-", " ", "-", "'", "").Replace(name), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			args := b.rt.spawner.args
			heal := func() {
				b.rt.before, b.rt.spawner.args = nil, args
				// The init of the last step's fault may have come, and gone.
				b.Socket.Close()
				b.Socket = runtimetest.Listen(t, b.Spec.RunDir)
			}

			break_(b)
			checkFails(t, b)
			b.gone(t, 0)
			heal()
			m, g := b.Start(t)
			g.Do(t, runtimetest.Command{Write: "/workspace/file", Text: "kept"})
			runtimetest.Stop(t, m)
			g.Conn.Close()

			break_(b)
			checkFails(t, b)
			for _, dir := range b.rt.groups.at(b.Spec.Name).dirs() {
				if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("control group %s is still there", dir)
				}
			}
			heal()
			m, g = b.Start(t)
			if got := g.Do(t, runtimetest.Command{Read: "/workspace/file"}); got != "kept" {
				t.Errorf("the workspace has %q", got)
			}
			b.Remove(t, m.PID())
		})
	}
}

// checkFails: a start fails, for the reason that was injected, and leaves no
// child and no descriptor.
func checkFails(t *testing.T, b *bench) {
	t.Helper()
	m, err := b.rt.Start(t.Context(), b.Spec)
	if err == nil {
		m.Close()
		t.Fatal("the start succeeded")
	}
	if !strings.Contains(err.Error(), errInjected.Error()) && !strings.Contains(err.Error(), errDied.Error()) {
		t.Errorf("the start failed otherwise: %v", err)
	}
	if _, err := b.rt.Adopt(t.Context(), b.Spec.Name); !errors.Is(err, sandboxmgr.ErrNoMachine) {
		t.Errorf("Adopt = %v, want %v", err, sandboxmgr.ErrNoMachine)
	}
	if left := childrenOf(t, b.state); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// childrenOf are this process's children whose standard output is in a folder.
func childrenOf(t *testing.T, folder string) []int {
	t.Helper()
	tree, err := descendants(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	tree = slices.DeleteFunc(tree, func(s status) bool {
		out, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/1", s.pid))
		return err != nil || !strings.HasPrefix(out, folder)
	})
	var pids []int
	for _, s := range tree {
		pids = append(pids, s.pid)
	}
	return pids
}

// TestPersist: what each way of keeping keeps.
func TestPersist(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		workspace, fresh bool
		want             string
	}{
		{"all", false, false, "kept"},
		{"workspace", true, true, "kept"},
		{"nothing", false, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Workspace, s.Fresh = tt.workspace, tt.fresh })
			m, g := b.Start(t)
			g.Shell(t, "echo kept > /workspace/file; mkdir -p /workspace/a/b; chmod 0 /workspace/a; echo lost > /tmp/file")
			if tt.fresh {
				again, err := b.rt.Start(t.Context(), b.Spec)
				if err != nil || again.PID() != m.PID() {
					t.Fatalf("the running machine was not returned: %v", err)
				}
				again.Close()
			}
			runtimetest.Stop(t, m)
			g.Conn.Close()
			m, g = b.Start(t)
			if got := g.Shell(t, "cat /workspace/file /tmp/file 2>/dev/null; true"); got != tt.want {
				t.Errorf("after a stop: %q, want %q", got, tt.want)
			}
			b.Remove(t, m.PID())
			g.Conn.Close()
			_, g = b.Start(t)
			if got := g.Shell(t, "ls -A /workspace"); got != "" {
				t.Errorf("after a removal: %q", got)
			}
		})
	}
}

// TestDiskUsage counts a tree with what a machine may put into it.
func TestDiskUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(outside, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "file"), make([]byte, 1<<20), 0o600),
		os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o700),
		os.WriteFile(filepath.Join(dir, "a/b/c/file"), make([]byte, 1<<20), 0o600),
		os.Symlink(outside, filepath.Join(dir, "link")),
		os.Symlink(filepath.Dir(outside), filepath.Join(dir, "folder")),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	u, err := diskUsage(t.Context(), dir)
	if err != nil || u.entries != 8 || u.bytes < 2<<20 || u.bytes > 3<<20 {
		t.Errorf("usage %+v, %v; want 8 entries and some 2 MiB", u, err)
	}
	deep := strings.Repeat("d/", maxDepth+2)
	if err := os.MkdirAll(filepath.Join(dir, deep), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := diskUsage(t.Context(), dir); !errors.Is(err, errManyFiles) {
		t.Errorf("a deep tree: %v, want %v", err, errManyFiles)
	}
	if _, err := diskUsage(t.Context(), filepath.Join(dir, "folder")); err == nil {
		t.Error("a link was followed")
	}
}
