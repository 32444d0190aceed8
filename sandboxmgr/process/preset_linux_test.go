package process

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edge/sandboxmgr"
	"edge/sandboxmgr/runtimetest"
)

// callsProbe tries system calls and says the number of each error.
const callsProbe = `
import ctypes, json, os, platform
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
amd, arm = 0, 1
numbers = {"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
  "io_uring_setup": (425, 425), "mount": (165, 40), "unshare user": (272, 97), "unshare files": (272, 97), "setns": (308, 268), "clone3": (435, 435),
  "clone user": (56, 220), "ptrace": (101, 117), "process_vm_readv": (310, 270), "socket alg": (41, 198), "socket unix": (41, 198), "getpid": (39, 172)}
args = {"unshare user": (0x10000000,), "unshare files": (0x400,), "clone user": (0x10000000 | 0x200, 0, 0, 0, 0), "ptrace": (7, 1, 0, 0),
  "socket alg": (38, 5, 0), "socket unix": (1, 1, 0), "bpf": (0, 0, 0), "io_uring_setup": (1, 0), "setns": (-1, 0), "clone3": (0, 0)}
column = amd if platform.machine() == "x86_64" else arm
out = {}
for name, number in numbers.items():
    ctypes.set_errno(0)
    got = libc.syscall(ctypes.c_long(number[column]), *[ctypes.c_long(a) for a in args.get(name, (0, 0, 0, 0, 0))])
    out[name] = ctypes.get_errno() if got == -1 else 0
print(json.dumps(out))
`

// Errors of system calls.
const (
	eperm, enosys, enofamily = 1, 38, 97
	fine                     = -1 // whatever the kernel says, but not the filter's word
)

// TestPresets: what each preset's filter forbids, seen from inside.
func TestPresets(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		runtimetest.Skip(t, "there is no python3 to call with: %v", err)
	}
	always := map[string]int{
		"bpf": eperm, "perf_event_open": eperm, "userfaultfd": eperm, "keyctl": eperm,
		"unshare files": 0, "socket unix": 0, "getpid": 0,
	}
	usual := map[string]int{
		"io_uring_setup": eperm, "mount": eperm, "unshare user": eperm, "setns": eperm, "clone user": eperm,
		"clone3": enosys, "socket alg": enofamily,
	}
	tests := []struct {
		preset string
		want   []map[string]int
	}{
		{"strict", []map[string]int{always, usual, {"ptrace": eperm, "process_vm_readv": eperm}}},
		{"default", []map[string]int{always, usual, {"ptrace": 3, "process_vm_readv": fine}}},
		{"", []map[string]int{always, usual}},
		{"trusted", []map[string]int{always, {"io_uring_setup": 14, "unshare user": 0, "clone3": 22, "ptrace": 3, "setns": 9}}},
	}
	for _, tt := range tests {
		t.Run("preset "+tt.preset, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Preset = tt.preset })
			_, g := b.Start(t)
			g.Do(t, runtimetest.Command{Write: "/workspace/calls.py", Text: callsProbe})
			var got map[string]int
			out := g.Shell(t, "/usr/bin/python3 -I /workspace/calls.py")
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, wants := range tt.want {
				for call, want := range wants {
					if got[call] != want && want != fine {
						t.Errorf("%s: error %d, want %d", call, got[call], want)
					}
				}
			}
			checkStatus(t, g)
		})
	}
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Preset = "loose" })
		if _, err := b.rt.Start(t.Context(), b.Spec); err == nil || !strings.Contains(err.Error(), `preset "loose"`) {
			t.Errorf("Start = %v, want one about the preset", err)
		}
	})
}

// checkStatus: whatever the preset, nobody inside has privileges or lacks the
// filter, the init included, and what is written is so in /workspace and memory.
func checkStatus(t *testing.T, g *runtimetest.Guest) {
	t.Helper()
	for script, want := range map[string]string{
		"grep -c '^Cap.*:.0000000000000000$' /proc/self/status":                                  "5",
		"grep -h -c '^Cap.*:.0000000000000000$' /proc/1/status":                                  "5",
		"awk '/^NoNewPrivs|^Seccomp:/ {print $2}' /proc/1/status":                                "1\n2",
		"awk '/^NoNewPrivs|^Seccomp:/ {print $2}' /proc/self/status":                             "1\n2",
		"for f in / /etc /usr /run /dev /home; do touch $f/x 2>/dev/null && echo $f; done; true": "",
		"touch /workspace/x /tmp/x && echo ok":                                                   "ok",
	} {
		if got := g.Shell(t, script); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// TestRootfs: a folder becomes the root, whatever is missing in it, and stays
// as it is.
func TestRootfs(t *testing.T) {
	t.Parallel()
	minimal := runtimetest.RunDir(t)
	static := buildProgram(t, guestProgram)
	copyTo(t, filepath.Join(minimal, "hello"), static)
	if err := os.WriteFile(filepath.Join(minimal, "hello.txt"), []byte("from the folder"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("minimal", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Rootfs, s.InitPath = minimal, static })
		m, g := b.Start(t)
		if got := g.Do(t, runtimetest.Command{Read: "/hello.txt"}); got != "from the folder" {
			t.Errorf("the folder's file is %q", got)
		}
		if got := g.Do(t, runtimetest.Command{Read: "/etc/hostname"}); got != hostnameOf(b.Spec.Name)+"\n" {
			t.Errorf("the host name is %q", got)
		}
		if a, err := g.Call(runtimetest.Command{Write: "/hello.txt", Text: "x"}); err != nil || !strings.Contains(a.Err, "read-only") {
			t.Errorf("writing to the root: %+v, %v", a, err)
		}
		g.Do(t, runtimetest.Command{Write: "/workspace/kept", Text: "x"})
		_, facts, err := m.(*handle).Describe(t.Context())
		if err != nil || !strings.HasPrefix(facts["root"], minimal) {
			t.Errorf("facts %q, %v", facts, err)
		}
	})
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(s *sandboxmgr.MachineSpec) { s.Rootfs, s.InitPath = assembled(t), static })
		_, g := b.Start(t)
		want := "/dev/pts/0\nlayer\n127.0.0.1 localhost " + hostnameOf(b.Spec.Name) + "\nkept\n"
		got := strings.ReplaceAll(g.Do(t, runtimetest.Command{TTY: "tty; cat /srv/file; head -1 /etc/hosts; cat /etc/resolv.conf"}), "\r", "")
		if got != want {
			t.Errorf("inside: %q, want %q", got, want)
		}
		for script, want := range map[string]string{
			"echo $(ls -A /)":                         ".edge bin dev etc lib lib64 proc run srv tmp usr workspace",
			"echo $(ls /dev)":                         "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
			"touch /srv/x 2>&1 | grep -c 'Read-only'": "1",
			"touch /etc/hosts /workspace/ok /tmp/ok 2>&1 | grep -c 'denied\\|only'": "1",
			"cat /proc/1/comm": "init",
		} {
			if got := g.Shell(t, script); got != want {
				t.Errorf("%s: %q, want %q", script, got, want)
			}
		}
	})
}

func copyTo(t *testing.T, to, from string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", "--dereference", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// assembled makes a small distribution of this computer's shell and tools, with
// a resolv.conf that leads elsewhere.
func assembled(t *testing.T) string {
	t.Helper()
	root := runtimetest.RunDir(t)
	for _, dir := range []string{"usr/bin", "usr/lib", "usr/lib64", "etc", "srv", "proc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"etc/hosts": "unknown\n", "etc/real": "kept\n", "srv/file": "layer\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "etc/resolv.conf": "/etc/real"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	var libs []string
	for _, tool := range []string{"sh", "cat", "ls", "head", "tty", "touch", "grep"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			runtimetest.Skip(t, "no %s to make a root of", tool)
		}
		copyTo(t, filepath.Join(root, "usr/bin", tool), path)
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			runtimetest.Skip(t, "ldd %s: %v", path, err)
		}
		for f := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(f, "/") && !slices.Contains(libs, f) {
				libs = append(libs, f)
			}
		}
	}
	for _, lib := range libs {
		to := filepath.Join(root, lib)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		copyTo(t, to, lib)
	}
	return root
}
