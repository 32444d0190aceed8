package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr"
)

// TestExamine: the whole examination on this computer, where machines start.
func TestExamine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	spec := b.Spec
	spec.Tools = []string{t.TempDir(), "/no/tools"}
	spec.Rootfs = t.TempDir()
	got := map[string][]sandboxmgr.Finding{}
	for _, f := range b.rt.Examine(t.Context(), spec) {
		if f.Text == "" || (f.Level == levelOK) != (f.Mend == "") {
			t.Errorf("finding %+v: want a text, and a mend unless it is ok", f)
		}
		got[f.Name] = append(got[f.Name], f)
		t.Logf("%+v", f)
	}
	for name, want := range map[string]string{
		"process runtime": levelOK, "user namespaces": levelOK, "seccomp": levelOK, "architecture": levelOK,
		"disk": levelNote, "rootfs": levelNote,
	} {
		if len(got[name]) != 1 || got[name][0].Level != want {
			t.Errorf("%s: %+v, want %s", name, got[name], want)
		}
	}
	if tools := got["tools"]; len(tools) != 2 || tools[0].Level != levelOK || tools[1].Level != levelBad {
		t.Errorf("tools: %+v", tools)
	}
}

// TestFindings: what is found on other computers than this one.
func TestFindings(t *testing.T) {
	t.Parallel()
	settings := func(pairs ...string) func(string) string {
		m := map[string]string{"user.max_user_namespaces": "9999"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return func(name string) string { return m[name] }
	}
	limit := func(n uint64) func(int) (uint64, error) {
		return func(int) (uint64, error) { return n, nil }
	}
	large := &sandboxmgr.MachineSpec{MemoryBytes: 1 << 30}
	tests := []struct {
		name        string
		finding     sandboxmgr.Finding
		level, mend string
	}{
		{"namespaces", examiner{setting: settings()}.namespaces(), levelOK, ""},
		{"no namespaces", examiner{setting: settings("user.max_user_namespaces", "")}.namespaces(), levelBad, "CONFIG_USER_NS"},
		{"namespaces off", examiner{setting: settings("user.max_user_namespaces", "0")}.namespaces(), levelBad, "user.max_user_namespaces=15000"},
		{"few namespaces", examiner{setting: settings("user.max_user_namespaces", "10")}.namespaces(), levelNote, "user.max_user_namespaces=15000"},
		{"for root", examiner{setting: settings("kernel.unprivileged_userns_clone", "0")}.namespaces(), levelBad, "userns_clone=1"},
		{"for root, as root", examiner{root: true, setting: settings("kernel.unprivileged_userns_clone", "0")}.namespaces(), levelOK, ""},
		{"AppArmor", examiner{setting: settings("kernel.apparmor_restrict_unprivileged_userns", "1")}.namespaces(), levelBad, "restrict_unprivileged_userns=0"},
		{"root", examiner{root: true}.rights(idRange{first: 300000}), levelOK, ""},
		{"not root", examiner{}.rights(idRange{}), levelNote, "root"},
		{"no filters", examiner{setting: settings()}.seccomp(), levelBad, "CONFIG_SECCOMP_FILTER"},
		{"filters", examiner{setting: settings("kernel.seccomp.actions_avail", "errno")}.seccomp(), levelOK, ""},
		{"no groups", examiner{}.controlGroups(), levelNote, "Delegate=yes"},
		{"descriptors", examiner{rlimit: limit(4096)}.descriptors(), levelOK, ""},
		{"few descriptors", examiner{rlimit: limit(4095)}.descriptors(), levelNote, "ulimit -n 65536"},
		{"few processes", examiner{setting: settings(), rlimit: limit(100)}.processes(large), levelNote, "ulimit -u"},
		{"few ids", examiner{setting: settings("kernel.pid_max", "100"), rlimit: limit(1 << 30)}.processes(large), levelNote, "kernel.pid_max"},
		{"processes", examiner{setting: settings("kernel.pid_max", "4194304"), rlimit: limit(1 << 30)}.processes(large), levelOK, ""},
		{"memory", examiner{memory: func() uint64 { return 1 << 30 }}.freeMemory(large), levelOK, ""},
		{"little memory", examiner{memory: func() uint64 { return 1 << 20 }}.freeMemory(large), levelNote, "memory:"},
		{"trial", examiner{setting: settings()}.trial(nil), levelOK, ""},
		{"trial fails", examiner{setting: settings("user.max_user_namespaces", "0")}.trial(unix.ENOSPC), levelBad, "sysctl -w"},
		{"trial fails oddly", examiner{setting: settings()}.trial(errors.New("odd")), levelBad, "runtime: docker"},
		{"no init", architecture(&sandboxmgr.MachineSpec{InitPath: "/no/init"}), levelBad, "start the edge again"},
		{"another's init", architecture(&sandboxmgr.MachineSpec{InitPath: foreignProgram(t)}), levelBad, "folder bin"},
	}
	for _, tt := range tests {
		if tt.finding.Level != tt.level || !strings.Contains(tt.finding.Mend, tt.mend) || (tt.mend == "") != (tt.finding.Mend == "") {
			t.Errorf("%s: %+v, want %s and %q", tt.name, tt.finding, tt.level, tt.mend)
		}
	}
}

// foreignProgram is the beginning of a program for a machine that nobody has.
func foreignProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	head := append([]byte("\x7fELF"), make([]byte, 16)...)
	head[18] = 0xee
	if err := os.WriteFile(path, head, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRootEntries: which root folders are refused, and what is taken of one.
func TestRootEntries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"bin", "proc", "dev", "tmp", "workspace", ".edge", "data"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := rootEntries(dir); err != nil || strings.Join(got, " ") != "bin data" {
		t.Errorf("entries %q, %v", got, err)
	}
	for path, want := range map[string]string{"relative": "absolute", "/": "all of this computer", "//": "all of this", "/no/root": "no such file"} {
		if _, err := rootEntries(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
