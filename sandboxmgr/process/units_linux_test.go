package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr"
)

func TestParseStartTime(t *testing.T) {
	t.Parallel()
	tail := " S 1 2 3" + strings.Repeat(" 0", 15) + " 4711 99\n"
	tests := []struct {
		name, stat string
		want       uint64
		fails      bool
	}{
		{"plain", "12 (init)" + tail, 4711, false},
		{"name like a status", "12 (x) S 1 2) 3 (y)" + tail, 4711, false},
		{"cut short", "12 (init) S 1 2", 0, true},
		{"no name", strings.Repeat("1 ", 30), 0, true},
		{"not a number", "12 (init)" + strings.ReplaceAll(tail, "4711", "x"), 0, true},
		{"empty", "", 0, true},
	}
	for _, tt := range tests {
		got, err := parseStartTime([]byte(tt.stat))
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %d, %v; want %d", tt.name, got, err, tt.want)
		}
	}
}

// FuzzParseStartTime: a process chooses its name, and with it most of the line.
func FuzzParseStartTime(f *testing.F) {
	f.Add("init")
	f.Add(") S 1 2 3 (")
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsRune(name, 0) {
			t.Skip("no name has a NUL")
		}
		got, err := parseStartTime([]byte("12 (" + name + ") S" + strings.Repeat(" 0", 18) + " 4711 0 0\n"))
		if err != nil || got != 4711 {
			t.Errorf("name %q: %d, %v", name, got, err)
		}
		_, _ = parseStartTime([]byte(name))
	})
}

func TestParseHierarchies(t *testing.T) {
	t.Parallel()
	const (
		v1 = "30 29 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
			"31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
			"32 29 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
		v2    = "33 29 0:29 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		other = "22 1 8:1 / / rw,relatime - ext4 /dev/vda rw\nbroken line\n"
	)
	tests := []struct {
		name, mountinfo, own string
		root                 bool
		want                 hierarchies
	}{
		{"version 1", v1 + v2 + other, "", true, hierarchies{
			mem1: "/sys/fs/cgroup/memory", cpu1: "/sys/fs/cgroup/cpu,cpuacct", pid1: "/sys/fs/cgroup/pids"}},
		{"version 2", other + v2, "0::/system.slice/edge.service\n", true, hierarchies{v2: "/sys/fs/cgroup"}},
		{"version 2, user", other + v2, "0::/user.slice/user@1.service/app.slice/a.scope\n", false,
			hierarchies{v2: "/sys/fs/cgroup/user.slice/user@1.service/app.slice"}},
		{"version 1, user", v1, "0::/\n", false, hierarchies{}},
		{"none", other, "", true, hierarchies{}},
	}
	for _, tt := range tests {
		if got := parseHierarchies(tt.mountinfo, tt.own, tt.root); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestVersion2 makes the groups of version 2 in a plain folder: which files are
// written and what is said to be missing.
func TestVersion2(t *testing.T) {
	t.Parallel()
	h := hierarchies{v2: t.TempDir()}
	spec := &sandboxmgr.MachineSpec{Name: "m", MemoryBytes: 1 << 30, CPUs: 1.5, PIDs: 512}
	dir := h.at(spec.Name).dirs[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"memory.max", "memory.swap.max", "cpu.max", "pids.max"} {
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	group, missing := h.make(spec)
	if len(missing) != 0 || len(group.dirs) != 1 {
		t.Fatalf("missing %v, folders %v", missing, group.dirs)
	}
	for name, want := range map[string]string{
		"memory.max": "1073741824", "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "512",
	} {
		if b, err := os.ReadFile(group.dirs[0] + "/" + name); string(b) != want {
			t.Errorf("%s is %q, %v; want %q", name, b, err, want)
		}
	}
	for text, want := range map[string]bool{"low 0\noom 1\noom_kill 1\n": true, "oom 0\noom_kill 0\n": false, "": false} {
		if err := os.WriteFile(group.oom, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := group.oomKilled(); got != want {
			t.Errorf("oomKilled of %q = %v, want %v", text, got, want)
		}
	}
	if _, missing := (hierarchies{}).make(spec); !slices.Equal(missing, []string{"memory", "pids", "cpus"}) {
		t.Errorf("without control groups %v is missing", missing)
	}
	if _, missing := (hierarchies{}).make(&sandboxmgr.MachineSpec{Name: "m"}); missing != nil {
		t.Errorf("without bounds %v is missing", missing)
	}
}

func TestMapCovers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       bool
	}{
		{"all", "         0          0 4294967295\n", true},
		{"rootless", "0 1000 1\n1 100000 65536\n", false},
		{"large range", "0 1000 1\n1 100000 1000000\n", true},
		{"ends early", "0 0 310000\n", false},
		{"begins late", "310000 0 1000000\n", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		if got := mapCovers(tt.text, 300000, 65536); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment(map[string]string{"A": "1", "PATH": "/x", "HOME": "/h"}, []string{"/t/0", "/t/1"})
	want := []string{"A=1", "HOME=/h", "LANG=C.UTF-8", "PATH=/t/0:/t/1:/x", "USER=sandbox"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
}

func TestMending(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		err      error
		settings map[string]string
		want     string
	}{
		{"off", unix.ENOSPC, map[string]string{"user.max_user_namespaces": "0"}, "user.max_user_namespaces=15000"},
		{"old kernel", unix.ENOSYS, nil, "Linux 5.12"},
		{"old kernel, in the stage", fmt.Errorf("make files: %s", unix.ENOSYS.Error()), nil, "Linux 5.12"},
		{"many", unix.ENOSPC, nil, "user.max_"},
		{"container", unix.EPERM, nil, "systempaths=unconfined"},
		{"unknown", unix.EIO, nil, ""},
	}
	for _, tt := range tests {
		got := mending(tt.err, func(name string) string { return tt.settings[name] })
		if !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("%s: %q does not say %q", tt.name, got, tt.want)
		}
	}
}

// TestCheckSaysWhy: what cannot start says that the runtime is down, and why.
func TestCheckSaysWhy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"no such executable", Config{Executable: "/no/edge"}, "no such file"},
		{"not a stage", Config{Executable: "/bin/sh", StageArgs: []string{"-c", "echo gone wrong >&4"}}, "gone wrong"},
	}
	for _, tt := range tests {
		tt.config.StateDir = t.TempDir()
		r, err := New(tt.config)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Check(t.Context())
		if !errors.Is(err, sandboxmgr.ErrRuntimeDown) || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: Check = %v, want %v with %q", tt.name, err, sandboxmgr.ErrRuntimeDown, tt.want)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("New without a state folder succeeded")
	}
}

// TestStuckStage: a stage that does nothing ends with the call that started it.
func TestStuckStage(t *testing.T) {
	t.Parallel()
	newBench(t) // namespaces can be made
	r, err := New(Config{StateDir: t.TempDir(), Executable: "/bin/sh", StageArgs: []string{"-c", "sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the caller went away")
	cancel(gone)
	if err := r.Check(ctx); !errors.Is(err, gone) {
		t.Errorf("Check = %v, want %v", err, gone)
	}
}

// TestStageByHand: the hidden command is not for people.
func TestStageByHand(t *testing.T) {
	if code := Stage(nil); code != 2 {
		t.Errorf("Stage = %d, want 2", code)
	}
}
