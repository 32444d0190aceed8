package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr"
)

func TestParseStatus(t *testing.T) {
	t.Parallel()
	tail := " S 17 2 3" + strings.Repeat(" 0", 15) + " 4711 99\n"
	want := status{pid: 12, parent: 17, state: 'S', start: 4711}
	tests := []struct {
		name, stat string
		want       status
		fails      bool
	}{
		{"plain", "12 (init)" + tail, want, false},
		{"name like a status", "12 (x) S 1 2) 3 (y)" + tail, want, false},
		{"cut short", "12 (init) S 1 2", status{}, true},
		{"no name", strings.Repeat("1 ", 30), status{}, true},
		{"start not a number", "12 (init)" + strings.ReplaceAll(tail, "4711", "x"), status{}, true},
		{"parent not a number", "12 (init)" + strings.ReplaceAll(tail, "17", "x"), status{}, true},
		{"empty", "", status{}, true},
	}
	for _, tt := range tests {
		got, err := parseStatus(12, []byte(tt.stat))
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

// FuzzParseStatus: a process chooses its name, and with it most of the line.
func FuzzParseStatus(f *testing.F) {
	f.Add("init")
	f.Add(") S 1 2 3 (")
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsRune(name, 0) {
			t.Skip("no name has a NUL")
		}
		got, err := parseStatus(12, []byte("12 ("+name+") S"+strings.Repeat(" 0", 18)+" 4711 0 0\n"))
		if err != nil || got.start != 4711 {
			t.Errorf("name %q: %+v, %v", name, got, err)
		}
		_, _ = parseStatus(12, []byte(name))
	})
}

func TestParseHierarchies(t *testing.T) {
	t.Parallel()
	const (
		v1 = "30 29 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
			"31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
			"32 29 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
			"34 29 0:30 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
		v2    = "33 29 0:29 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		other = "22 1 8:1 / / rw,relatime - ext4 /dev/vda rw\nbroken line\n"
	)
	tests := []struct {
		name, mountinfo, own string
		root                 bool
		want                 hierarchies
	}{
		{"version 1", v1 + v2 + other, "", true, hierarchies{
			v2: "/sys/fs/cgroup", mem1: "/sys/fs/cgroup/memory", cpu1: "/sys/fs/cgroup/cpu,cpuacct", pid1: "/sys/fs/cgroup/pids"}},
		{"version 1 alone", v1 + other, "", true, hierarchies{
			mem1: "/sys/fs/cgroup/memory", cpu1: "/sys/fs/cgroup/cpu,cpuacct", pid1: "/sys/fs/cgroup/pids", frz1: "/sys/fs/cgroup/freezer"}},
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

// TestBoundFiles sets bounds in plain folders in place of control groups: which
// files are written, what is said to be missing, and how it reads.
func TestBoundFiles(t *testing.T) {
	t.Parallel()
	spec := &sandboxmgr.MachineSpec{Name: "m", MemoryBytes: 3 << 29, CPUs: 1.5, PIDs: 512}
	v1, v2 := t.TempDir(), t.TempDir()
	tests := []struct {
		name    string
		group   cgroup
		dir     string
		files   map[string]string // and what is in them at the end
		missing []string
		limits  string
	}{
		{"version 2", cgroup{v2: v2}, v2, map[string]string{
			"memory.max": "1610612736", "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "512",
		}, nil, "memory=1.5 GiB by cgroup v2, swap=0 B by cgroup v2, cpus=1.5 by cgroup v2, pids=512 by cgroup v2"},
		{"version 1", cgroup{mem1: v1, cpu1: v1, pid1: v1, v2: v2}, v1, map[string]string{
			"memory.limit_in_bytes": "1610612736", "memory.memsw.limit_in_bytes": "1610612736",
			"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000", "pids.max": "512",
		}, nil, "memory=1.5 GiB by cgroup v1, swap=0 B by cgroup v1, cpus=1.5 by cgroup v1, pids=512 by cgroup v1"},
		{"none", cgroup{}, v2, nil, []string{"memory", "cpus", "pids"},
			"memory=none by nothing, swap=none by nothing, cpus=none by nothing, pids=none by nothing"},
		{"not delegated", cgroup{v2: t.TempDir()}, v2, nil, []string{"memory", "cpus", "pids"},
			"memory=none by nothing, swap=none by nothing, cpus=none by nothing, pids=none by nothing"},
	}
	for _, tt := range tests {
		for name := range tt.files {
			text := ""
			if name == "cpu.cfs_period_us" {
				text = "100000"
			}
			if err := os.WriteFile(filepath.Join(tt.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if missing := tt.group.set(spec); !slices.Equal(missing, tt.missing) {
			t.Errorf("%s: missing %v, want %v", tt.name, missing, tt.missing)
		}
		for name, want := range tt.files {
			if b, err := os.ReadFile(filepath.Join(tt.dir, name)); string(b) != want {
				t.Errorf("%s: %s is %q, %v; want %q", tt.name, name, b, err, want)
			}
		}
		var limits []string
		for _, b := range tt.group.bounds(spec) {
			l := b.limit()
			limits = append(limits, fmt.Sprintf("%s=%s by %s", l.Name, l.Value, l.By))
		}
		if got := strings.Join(limits, ", "); got != tt.limits {
			t.Errorf("%s: limits\n%s\nwant\n%s", tt.name, got, tt.limits)
		}
	}
	if missing := (cgroup{}).set(&sandboxmgr.MachineSpec{Name: "m"}); missing != nil {
		t.Errorf("without bounds %v is missing", missing)
	}
}

// TestUnbounded: what the kernel's files say where nothing is bounded.
func TestUnbounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"memory.limit_in_bytes": "9223372036854771712\n", "memory.memsw.limit_in_bytes": "9223372036854771712\n",
		"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n", "pids.max": "max\n",
		"memory.max": "max\n", "memory.swap.max": "max\n", "cpu.max": "max 100000\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, group := range []cgroup{{v2: dir}, {mem1: dir, cpu1: dir, pid1: dir}} {
		for _, b := range group.bounds(&sandboxmgr.MachineSpec{}) {
			if l := b.limit(); l.Value != noBound || l.By != byNothing {
				t.Errorf("%+v, want nothing", l)
			}
		}
	}
}

func TestOOMKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]bool{"low 0\noom 1\noom_kill 1\n": true, "oom 0\noom_kill 0\n": false, "": false} {
		for name, group := range map[string]cgroup{"memory.events": {v2: dir}, "memory.oom_control": {mem1: dir}} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := group.oomKilled(); got != want {
				t.Errorf("oomKilled of %q in %s = %v, want %v", text, name, got, want)
			}
		}
	}
}

func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 B", 1: "1 B", 1 << 10: "1 KiB", 1536 << 10: "1.5 MiB", 1 << 30: "1 GiB", 3 << 50: "3072 TiB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
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
