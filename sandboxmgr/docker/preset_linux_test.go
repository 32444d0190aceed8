package docker

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/errdefs"
	"golang.org/x/sys/unix"

	"edge/sandboxmgr/runtimetest"
)

// TestPresets looks at each property of each preset twice: from inside, and as
// the engine tells it.
func TestPresets(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{"", presetStrict, presetDefault, presetTrusted} {
		t.Run(cmp.Or(preset, "none named"), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.Spec.Preset, b.Spec.MemoryBytes, b.Spec.PIDs, b.Spec.CPUs = preset, 128<<20, 64, 0.5
			_, g := b.Start(t)
			c := b.look(t)
			checkInspect(t, preset, c.HostConfig)
			checkStatus(t, preset, g)
			checkFiles(t, preset, g)
			checkNamespaces(t, g, "cgroup", "ipc", "mnt", "net", "pid", "uts")
			checkCalls(t, preset, g)
		})
	}
}

func checkInspect(t *testing.T, preset string, h *container.HostConfig) {
	t.Helper()
	trusted := preset == presetTrusted
	if h.Privileged || len(h.CapAdd) > 0 || len(h.Devices)+len(h.DeviceRequests)+len(h.DeviceCgroupRules) > 0 || len(h.Binds) > 0 || h.PublishAllPorts {
		t.Errorf("more than nothing is given: %+v", h)
	}
	if got := slices.Equal(h.CapDrop, []string{"ALL"}); got == trusted {
		t.Errorf("capabilities dropped: %v", h.CapDrop)
	}
	if !slices.Contains(h.SecurityOpt, "no-new-privileges") {
		t.Errorf("security options %.100q", h.SecurityOpt)
	}
	if got := slices.Contains(h.SecurityOpt, "seccomp="+seccompProfile); got == trusted {
		t.Errorf("our seccomp profile is set: %v", got)
	}
	if h.IpcMode != container.IPCModePrivate || h.CgroupnsMode != container.CgroupnsModePrivate || h.PidMode != "" || h.UTSMode != "" || h.NetworkMode != "none" {
		t.Errorf("ipc %q, cgroup %q, pid %q, uts %q, network %q", h.IpcMode, h.CgroupnsMode, h.PidMode, h.UTSMode, h.NetworkMode)
	}
	if h.Memory != 128<<20 || h.NanoCPUs != 5e8 || h.PidsLimit == nil || *h.PidsLimit != 64 {
		t.Errorf("bounds %+v", h.Resources)
	}
	// An engine that cannot account swap takes the bound back.
	if h.MemorySwap != h.Memory && h.MemorySwap != -1 {
		t.Errorf("memory with swap %d", h.MemorySwap)
	}
	if h.LogConfig.Config["max-size"] != "1m" {
		t.Errorf("log %+v", h.LogConfig)
	}
	if h.ReadonlyRootfs != (preset == presetStrict) {
		t.Errorf("read-only root: %v", h.ReadonlyRootfs)
	}
	for _, m := range h.Mounts {
		if m.Type == "bind" && (!m.ReadOnly || m.Target != runTarget && m.Target != initTarget) {
			t.Errorf("mount %+v", m)
		}
	}
}

func checkStatus(t *testing.T, preset string, g *runtimetest.Guest) {
	t.Helper()
	status := g.Do(t, command{Read: "/proc/self/status"})
	want := []string{"NoNewPrivs:\t1", "Seccomp:\t2"}
	if preset == presetTrusted {
		want = append(want, "Uid:\t0\t0\t0\t0", "CapEff:\t00000000a80425fb")
	} else {
		want = append(want, "Uid:\t10001\t10001\t10001\t10001", "Gid:\t10001\t10001\t10001\t10001")
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			want = append(want, set+":\t0000000000000000")
		}
	}
	for _, line := range want {
		if !strings.Contains(status, line) {
			t.Errorf("/proc/self/status has no %q", line)
		}
	}
}

func checkFiles(t *testing.T, preset string, g *runtimetest.Guest) {
	t.Helper()
	for _, path := range []string{"/workspace/file", "/tmp/file"} {
		g.Do(t, command{Write: path, Text: "x"})
	}
	writable := map[string]bool{"/file": preset == presetTrusted, "/etc/hosts": preset == presetTrusted,
		initTarget: false, runTarget + "/file": false, "/proc/sys/kernel/hostname": false, "/proc/sysrq-trigger": false}
	for path, want := range writable {
		a, err := g.Call(command{Write: path, Text: "x"})
		if err != nil || (a.Err == "") != want {
			t.Errorf("write %s: %q, %v; possible should be %v", path, a.Err, err, want)
		}
	}
	if preset != presetTrusted {
		if got := g.Do(t, command{Env: "HOME"}); got != workspaceTarget {
			t.Errorf("HOME=%q", got)
		}
	}
	devices := []string{"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
	for name := range strings.FieldsSeq(g.Do(t, command{List: "/dev"})) {
		if !slices.Contains(devices, name) {
			t.Errorf("device %s", name)
		}
	}
	checkMounts(t, preset, g.Do(t, command{Read: "/proc/self/mountinfo"}))
}

// checkMounts wants nothing of the host but what every container has.
func checkMounts(t *testing.T, preset, mountinfo string) {
	t.Helper()
	own := []string{"proc", "tmpfs", "devpts", "sysfs", "mqueue", "cgroup", "cgroup2", "overlay"}
	ofHost := []string{runTarget, initTarget, "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"}
	if preset == presetStrict {
		ofHost = append(ofHost, workspaceTarget)
	}
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		target, options := strings.Fields(before)[4], strings.Split(strings.Fields(before)[5], ",")
		kind := strings.Fields(after)[0]
		if !slices.Contains(own, kind) && !slices.Contains(ofHost, target) {
			t.Errorf("mount %s", line)
		}
		readOnly := slices.Contains(options, "ro")
		switch target {
		case runTarget, initTarget:
			if !readOnly {
				t.Errorf("%s can be written", target)
			}
		case "/":
			if readOnly != (preset == presetStrict) {
				t.Errorf("root is read-only: %v", readOnly)
			}
		}
	}
}

func checkNamespaces(t *testing.T, g *runtimetest.Guest, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		path := "/proc/self/ns/" + kind
		host, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		if inside := g.Do(t, command{Link: path}); inside == host {
			t.Errorf("%s is the host's: %s", kind, host)
		}
	}
}

// checkCalls makes system calls that must be refused. What they would say of
// their arguments if they got through is something else than EPERM, or they
// would succeed, where this can be had without privileges.
func checkCalls(t *testing.T, preset string, g *runtimetest.Guest) {
	t.Helper()
	const anywhere = ^uintptr(0) // no address
	calls := map[string][]uintptr{
		"io_uring_setup":    {unix.SYS_IO_URING_SETUP, 1, 0},
		"io_uring_enter":    {unix.SYS_IO_URING_ENTER, anywhere, 1, 0, 0, 0, 0},
		"io_uring_register": {unix.SYS_IO_URING_REGISTER, anywhere, 0, 0, 0},
		"userfaultfd":       {unix.SYS_USERFAULTFD, 1}, // user mode only, which needs no privilege
		"perf_event_open":   {unix.SYS_PERF_EVENT_OPEN, 0, 0, anywhere, anywhere, 0},
		"bpf":               {unix.SYS_BPF, 0, 0, 0},
		"keyctl":            {unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, anywhere - 2, 0},
		"add_key":           {unix.SYS_ADD_KEY, 0, 0, 0, 0, anywhere},
		"request_key":       {unix.SYS_REQUEST_KEY, 0, 0, 0, 0},
		"unshare a user":    {unix.SYS_UNSHARE, unix.CLONE_NEWUSER},
		"mount":             {unix.SYS_MOUNT, 0, 0, 0, unix.MS_REMOUNT, 0},
		"setns":             {unix.SYS_SETNS, anywhere, 0},
		"init_module":       {unix.SYS_INIT_MODULE, 0, 0, 0},
		"reboot":            {unix.SYS_REBOOT, 0, 0, 0, 0},
		"open_by_handle_at": {unix.SYS_OPEN_BY_HANDLE_AT, 0, 0, 0},
	}
	for name, call := range calls {
		a, err := g.Call(command{Kernel: call})
		if err != nil {
			t.Fatal(err)
		}
		if preset != presetTrusted && a.Err != unix.EPERM.Error() {
			t.Errorf("%s: %q, want %q", name, a.Err, unix.EPERM.Error())
		}
		if preset == presetTrusted && a.Err == "" {
			t.Errorf("%s succeeded", name)
		}
	}
}

// TestUsers: whoever the image names, nobody is root unless trusted, and
// /workspace with what the image has in it is the user's own.
func TestUsers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, user, preset, want, home string
	}{
		{"none", "", presetDefault, "10001:10001", "/workspace"},
		{"root", "root", presetDefault, "10001:10001", "/workspace"},
		{"root by number", "0:0", presetStrict, "10001:10001", "/workspace"},
		{"root by another name", "toor", presetDefault, "10001:10001", "/workspace"},
		{"group of root", "web:0", presetDefault, "10001:10001", "/workspace"},
		{"a number", "1234", presetDefault, "1234:1234", "/workspace"},
		{"number and group", "1234:99", presetStrict, "1234:99", "/workspace"},
		{"a name", "web", presetDefault, "33:44", "/home/web"},
		{"a name and trust", "web", presetTrusted, "33:44", "/home/web"},
		{"none and trust", "", presetTrusted, "0:0", "/root"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.Spec.Preset = tt.preset
			b.Spec.Image = b.importUser(t, tt.user)
			_, g := b.Start(t)
			uid, gid, _ := strings.Cut(tt.want, ":")
			status := g.Do(t, command{Read: "/proc/self/status"})
			if !strings.Contains(status, "\nUid:\t"+uid+"\t") || !strings.Contains(status, "\nGid:\t"+gid+"\t") {
				t.Errorf("not user %s: %s", tt.want, status)
			}
			if got := g.Do(t, command{Env: "HOME"}); got != tt.home {
				t.Errorf("HOME=%q, want %q", got, tt.home)
			}
			if tt.want == "33:44" && tt.preset == presetTrusted {
				return // the image as it is
			}
			for _, path := range []string{"/workspace/of-image", "/workspace/folder/of-image", "/workspace/new"} {
				g.Do(t, command{Write: path, Text: "mine"})
			}
		})
	}
}

// importUser makes an image that names a user, and has files of root's in
// /workspace. The test's end removes it and what was prepared from it.
func (b *bench) importUser(t *testing.T, user string) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	passwd := "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nweb:x:33:44:Web:/home/web:/bin/sh\n"
	for _, f := range []struct{ name, text string }{
		{"tmp/", ""}, {"etc/", ""}, {"workspace/", ""}, {"workspace/folder/", ""},
		{"etc/passwd", passwd}, {"workspace/of-image", t.Name()}, {"workspace/folder/of-image", "x"},
	} {
		h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.text))}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("edge-runtime-test-user:%d-%s", os.Getpid(), strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-"))
	var changes []string
	if user != "" {
		changes = []string{"USER " + user}
	}
	out, err := b.rt.client.ImageImport(t.Context(), image.ImportSource{Source: &buf, SourceName: "-"}, name, image.ImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	b.removeAfter(t, name)
	return name
}

// TestPreparedAgain: what was prepared may be cleaned away, and is not left behind
// when its image is another.
func TestPreparedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Spec.Image = b.importUser(t, "")
	ref := func() string {
		img, err := b.rt.inspectImage(t.Context(), b.Spec.Image)
		if err != nil {
			t.Fatal(err)
		}
		return preparedRef(img.ID)
	}
	m, _ := b.Start(t)
	first := ref()
	b.Remove(t, m.PID())
	b.rt.removeImage(t.Context(), first)
	m, g := b.Start(t)
	g.Do(t, command{Write: "/workspace/of-image", Text: "mine"})
	b.Remove(t, m.PID())

	old, err := b.rt.inspectImage(t.Context(), b.Spec.Image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.rt.removeImage(context.Background(), old.ID) })
	b.importUser(t, "1234") // takes the name
	b.Start(t)
	if _, err := b.rt.inspectImage(t.Context(), first); !errdefs.IsNotFound(err) {
		t.Errorf("what was prepared of the image before: %v", err)
	}
	if _, err := b.rt.inspectImage(t.Context(), ref()); err != nil {
		t.Errorf("what was prepared of the image now: %v", err)
	}
}
