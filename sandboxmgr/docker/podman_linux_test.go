package docker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"edge/sandboxmgr/runtimetest"
)

// newPodman starts podman's service, with storage of its own.
func newPodman(t *testing.T) *Runtime {
	t.Helper()
	if os.Geteuid() != 0 {
		runtimetest.Skip(t, "podman's service is started as root here")
	}
	if _, err := exec.LookPath("podman"); err != nil {
		runtimetest.Skip(t, "no podman here: %v", err)
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		runtimetest.Skip(t, "no runc for podman here: %v", err)
	}
	dir, err := os.MkdirTemp("", "edgep")
	if err != nil {
		t.Fatal(err)
	}
	e := &secondEngine{dir: dir}
	socket := addressIn(dir)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	e.cmd = exec.Command("podman", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--tmpdir", filepath.Join(dir, "tmp"),
		"--runtime", runc, "--cgroup-manager", "cgroupfs", "system", "service", "--time", "0", socket)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+writePodmanConfig(t, dir))
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.stop(t)
		e.clean(t)
	})
	e.await(t)
	r := e.runtime(t)
	t.Cleanup(func() { r.Close() })
	return r
}

// writePodmanConfig has containers get the limits that there are here: those that
// podman gives them otherwise need the right to raise limits.
func writePodmanConfig(t *testing.T, dir string) string {
	t.Helper()
	var files, processes unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_NOFILE, &files), unix.Getrlimit(unix.RLIMIT_NPROC, &processes)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "containers.conf")
	text := fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%d:%[1]d\", \"nproc=%d:%[2]d\"]\n", files.Max, min(processes.Max, 10000))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPodman: podman's socket of the same interface serves sandboxes as well.
func TestPodman(t *testing.T) {
	t.Parallel()
	r := newPodman(t)
	runtimetest.Run(t, func(t testing.TB) *runtimetest.Bench { return benchOn(t, r).Bench })
}

// TestPodmanPresets: with podman, too, a sandbox has no privilege.
func TestPodmanPresets(t *testing.T) {
	t.Parallel()
	r := newPodman(t)
	for _, preset := range []string{presetStrict, presetDefault} {
		b := benchOn(t, r)
		b.Spec.Preset = preset
		m, g := b.Start(t)
		status := g.Do(t, command{Read: "/proc/self/status"})
		for _, want := range []string{"Uid:\t10001\t", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(status, want) {
				t.Errorf("%s: status has no %q", preset, want)
			}
		}
		checkCalls(t, preset, g)
		kinds := []string{"ipc", "mnt", "net", "pid", "uts"}
		if e, err := r.known(t.Context()); err != nil || e.privateCgroups() {
			kinds = append(kinds, "cgroup")
		}
		checkNamespaces(t, g, kinds...)
		b.Remove(t, m.PID())
	}
}

// await waits until the engine answers.
func (e *secondEngine) await(t *testing.T) {
	t.Helper()
	r := e.runtime(t)
	defer r.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		err := r.Check(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(filepath.Join(e.dir, "log"))
			t.Fatalf("the engine does not answer: %v\n%s", err, said[max(0, len(said)-2000):])
		}
	}
}
