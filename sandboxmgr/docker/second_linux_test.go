package docker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr/runtimetest"
)

// secondEngine is a dockerd of the test's own, which it may stop.
type secondEngine struct {
	dir  string
	args []string
	cmd  *exec.Cmd
}

// newEngine starts a second dockerd. It has its own network namespace: a dockerd
// without a bridge removes docker0 wherever it is, the first one's included.
func newEngine(t *testing.T, args ...string) *secondEngine {
	t.Helper()
	if os.Geteuid() != 0 {
		runtimetest.Skip(t, "a second dockerd needs root")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		runtimetest.Skip(t, "no dockerd here: %v", err)
	}
	dir, err := os.MkdirTemp("", "edged")
	if err != nil {
		t.Fatal(err)
	}
	e := &secondEngine{dir: dir, args: append([]string{
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", addressIn(dir), "--storage-driver", "vfs",
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false",
	}, args...)}
	e.start(t)
	t.Cleanup(func() {
		e.stop(t)
		e.clean(t)
	})
	return e
}

func addressIn(dir string) string { return "unix://" + filepath.Join(dir, "s") }

// start starts the engine and waits until it answers.
func (e *secondEngine) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	e.cmd = exec.Command("dockerd", e.args...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.await(t)
}

// stop ends the engine, which ends its containers unless they may live on.
func (e *secondEngine) stop(t *testing.T) {
	t.Helper()
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = e.cmd.Wait() // how it ends is its own business
}

// clean removes what the engine left: shims that runsc keeps waiting, mounts, and
// files.
func (e *secondEngine) clean(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); e.killRest(t) && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if target := strings.Fields(line)[1]; strings.HasPrefix(target, e.dir+"/") {
			_ = syscall.Unmount(target, syscall.MNT_DETACH) // RemoveAll tells
		}
	}
	if err := os.RemoveAll(e.dir); err != nil {
		t.Error(err)
	}
}

// killRest kills what still runs of the engine, and tells whether anything did: it may
// write into the engine's folder until it has ended.
func (e *secondEngine) killRest(t *testing.T) (found bool) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Error(err)
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && perr == nil && bytes.Contains(line, []byte(e.dir+"/")) {
			found = true
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be ending
		}
	}
	return found
}

func (e *secondEngine) runtime(t *testing.T) *Runtime {
	t.Helper()
	r, err := New(Config{Host: addressIn(e.dir)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bench is a bench on the engine.
func (e *secondEngine) bench(t *testing.T) *bench {
	t.Helper()
	r := e.runtime(t)
	t.Cleanup(func() { r.Close() })
	return benchOn(t, r)
}

// TestEngineRestarts: an engine that is restarted under running sandboxes, which
// live on with it or end with it as it is configured.
func TestEngineRestarts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		args  []string
		alive bool
	}{
		{"sandboxes end", nil, false},
		{"sandboxes live on", []string{"--live-restore"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, tt.args...)
			b := e.bench(t)
			m, g := b.Start(t)
			g.Do(t, command{Write: "/workspace/file", Text: "kept"})
			waited := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				_, err := m.Wait(ctx)
				waited <- err
			}()
			e.stop(t)
			if err := m.Stop(t.Context(), 0); err == nil {
				t.Error("Stop without an engine succeeded")
			}
			e.start(t)
			if tt.alive {
				g.Do(t, command{Read: "/workspace/file"})
				adopted, err := b.rt.Adopt(t.Context(), b.Spec.Name)
				if err != nil || adopted.PID() != m.PID() {
					t.Fatalf("Adopt = %v, %v; want process %d", adopted, err, m.PID())
				}
				adopted.Close()
				runtimetest.Stop(t, m)
			}
			if err := <-waited; err != nil {
				t.Errorf("Wait = %v", err)
			}
			next, g := b.Start(t)
			if got := g.Do(t, command{Read: "/workspace/file"}); got != "kept" {
				t.Errorf("the file holds %q", got)
			}
			b.Remove(t, next.PID())
		})
	}
}

// TestRunsc: a sandbox on gVisor works whole, but for the dial, which the init
// does. The flags are those of Debian's runsc, which has no other platform where
// there is no virtualisation.
func TestRunsc(t *testing.T) {
	t.Parallel()
	runsc, err := exec.LookPath("runsc")
	if err != nil {
		runtimetest.Skip(t, "no runsc here: %v", err)
	}
	script := filepath.Join(t.TempDir(), "runsc")
	text := fmt.Sprintf("#!/bin/sh\nexec %s --platform=ptrace --network=none --ignore-cgroups --fsgofer-host-uds \"$@\"\n", runsc)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, "--add-runtime", "runsc="+script)
	b := e.bench(t)
	runtimetest.Run(t, func(t testing.TB) *runtimetest.Bench {
		b := benchOn(t, b.rt)
		b.Spec.OCIRuntime, b.Apart = "runsc", true
		b.NoTerminal = "gVisor does not tell a terminal's reader that the last program on it has ended"
		b.Kill = b.kill
		return b.Bench
	})
}
