package sandboxmgr_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edge/abi"
	"edge/cmd/edge/testleak"
	"edge/sandboxmgr"
	"edge/sandboxmgr/process"
	"edge/sandboxmgr/state"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == process.StageCommand {
		os.Exit(process.Stage(os.Args[2:]))
	}
	goleak.VerifyTestMain(testleak.Settle(m))
}

// realBound is long beyond what a life of a real sandbox takes on a machine that has
// much else to do.
const realBound = 10 * time.Minute

// cannot skips loudly, except where everything must be there.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// realEdge is a manager over the real store, runtime and init.
type realEdge struct {
	*sandboxmgr.Manager
	store *state.Store
}

func (e *realEdge) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(e.Manager.Close(), e.store.Close()); err != nil {
		t.Error(err)
	}
}

func openReal(t *testing.T, dir, init string, change ...func(*sandboxmgr.Binding)) *realEdge {
	t.Helper()
	rt, err := process.New(process.Config{StateDir: dir})
	if err == nil {
		err = rt.Check(t.Context())
	}
	if err != nil {
		cannot(t, "the process runtime cannot run here: %v", err)
	}
	store, err := state.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	b := sandboxmgr.Binding{Runtime: rt}
	for _, f := range change {
		f(&b)
	}
	m, err := sandboxmgr.New(t.Context(), sandboxmgr.Config{
		StateDir: dir, Store: store, InitPath: init,
		Bindings: map[string]sandboxmgr.Binding{"Sandbox": b},
	})
	if err != nil {
		t.Fatal(errors.Join(err, store.Close()))
	}
	return &realEdge{m, store}
}

// TestRealSandbox goes through a sandbox's life with nothing faked: start,
// files, a process that serves, readiness, dialling, a new edge that adopts all
// of it, stop, destroy.
func TestRealSandbox(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // the distribution's, which every user may run
	if _, err := os.Stat(python); err != nil {
		cannot(t, "there is no python3 to serve with: %v", err)
	}
	dir, init := realFolder(t)
	ctx, cancel := context.WithTimeout(t.Context(), realBound)
	defer cancel()
	ref := abi.SandboxRef{Binding: "Sandbox", ID: "real"}

	e := openReal(t, dir, init)
	defer func() { // of a test that failed, nothing runs on either
		if !t.Failed() {
			return
		}
		if s, err := e.Sandbox(ref); err == nil {
			_, _ = s.Destroy(context.Background(), &abi.Empty{})
		}
		e.close(t)
	}()
	s := serveInside(ctx, t, e, ref, python)
	exposed, err := s.ExposePort(ctx, &abi.ExposePortRequest{Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	e.close(t)

	e = openReal(t, dir, init)
	if s, err = e.Sandbox(ref); err != nil {
		t.Fatal(err)
	}
	st, err := s.GetState(ctx, &abi.Empty{})
	if err != nil || st.State != abi.StateRunning || st.Generation != 1 || st.Processes != 1 || st.Dial == "" {
		t.Fatalf("state after the restart: %+v, %v", st, err)
	}
	if got := get(ctx, t, s); !strings.Contains(got, "hello from inside") {
		t.Errorf("answer %q", got)
	}
	if again, err := s.ExposePort(ctx, &abi.ExposePortRequest{Port: 8080}); err != nil || again.URL != exposed.URL {
		t.Errorf("exposed %+v, %v; want %s", again, err, exposed.URL)
	}
	stopAndRemove(ctx, t, s)
	e.close(t)
}

// realFolder returns a state folder and the init's program.
func realFolder(t *testing.T) (dir, init string) {
	t.Helper()
	// Short, for the sockets' paths.
	dir, err := os.MkdirTemp("", "mgr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	init = filepath.Join(dir, "edge-init")
	build := exec.Command("go", "build", "-o", init, "edge/cmd/edge-init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the init: %v\n%s", err, out)
	}
	return dir, init
}

// serveInside starts a server and waits until it answers.
func serveInside(ctx context.Context, t *testing.T, e *realEdge, ref abi.SandboxRef, python string) *sandboxmgr.Sandbox {
	t.Helper()
	s, err := e.Sandbox(ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteFile(ctx, &abi.WriteFileRequest{Path: "index.html", Content: "hello from inside"}); err != nil {
		t.Fatal(err)
	}
	out, err := s.Exec(ctx, &abi.ExecRequest{Command: "cat index.html; echo error >&2; exit 3"})
	if err != nil || out.Stdout != "hello from inside" || out.Stderr != "error\n" || out.ExitCode != 3 {
		t.Fatalf("exec = %+v, %v", out, err)
	}
	_, err = s.Exec(ctx, &abi.ExecRequest{Command: "sleep 60", Timeout: abi.Duration(50 * time.Millisecond)})
	if !errors.Is(err, abi.CodeTimeout.Err()) {
		t.Errorf("exec that takes too long: %v", err)
	}
	_, _, err = s.Dial(ctx, 8080)
	if !errors.Is(err, abi.CodePortNotListening.Err()) {
		t.Errorf("dial of nothing: %v", err)
	}
	argv := []string{python, "-u", "-m", "http.server", "8080", "--bind", "127.0.0.1"}
	if _, err := s.StartProcess(ctx, &abi.StartProcessRequest{ProcessID: "web", Argv: argv}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.StartProcess(ctx, &abi.StartProcessRequest{ProcessID: "web", Argv: argv}); !errors.Is(err, abi.CodeProcessAlreadyExists.Err()) {
		t.Errorf("a second process of the same id: %v", err)
	}
	if _, err := s.WaitForPort(ctx, &abi.WaitForPortRequest{Port: 8080, ProcessID: "web", Path: "/"}); err != nil {
		t.Fatal(err)
	}
	if got := get(ctx, t, s); !strings.Contains(got, "hello from inside") {
		t.Fatalf("answer %q", got)
	}
	_, err = s.WaitForPort(ctx, &abi.WaitForPortRequest{Port: 9999, Timeout: abi.Duration(2 * time.Second)})
	var e2 *abi.Error
	if !errors.As(err, &e2) || !strings.Contains(string(e2.Details), "listening_on:[8080]") {
		t.Errorf("wait for another port: %+v", e2)
	}
	if _, err := s.StartProcess(ctx, &abi.StartProcessRequest{ProcessID: "bad", Command: "echo broken >&2; exit 4"}); err != nil {
		t.Fatal(err)
	}
	_, err = s.WaitForPort(ctx, &abi.WaitForPortRequest{Port: 9999, ProcessID: "bad"})
	if !errors.As(err, &e2) || e2.Code != abi.CodeProcessExitedBeforeReady || !strings.Contains(string(e2.Details), "broken") {
		t.Errorf("wait for a process that exits: %+v, %s", e2, e2.Details)
	}
	return s
}

func get(ctx context.Context, t *testing.T, s *sandboxmgr.Sandbox) string {
	t.Helper()
	conn, _, err := s.Dial(ctx, 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stopAndRemove stops the sandbox, uses it again and destroys it.
func stopAndRemove(ctx context.Context, t *testing.T, s *sandboxmgr.Sandbox) {
	t.Helper()
	run, err := s.Running(ctx)
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.Stop(ctx, &abi.StopRequest{Grace: abi.Duration(time.Second)})
	if err != nil || st.State != abi.StateStopped {
		t.Fatalf("stop = %+v, %v", st, err)
	}
	<-run.Ended
	file, err := s.ReadFile(ctx, &abi.ReadFileRequest{Path: "index.html"}) // starts it again
	if err != nil || file.Content != "hello from inside" {
		t.Errorf("after stop and start: %+v, %v", file, err)
	}
	if run, err = s.Running(ctx); err != nil || run.Generation != 2 {
		t.Errorf("run %+v, %v", run, err)
	}
	if _, err := s.Destroy(ctx, &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
	<-run.Ended
	if st, err := s.GetState(ctx, &abi.Empty{}); err != nil || st.State != abi.StateAbsent {
		t.Errorf("state %+v, %v", st, err)
	}
	if _, err := s.ReadFile(ctx, &abi.ReadFileRequest{Path: "index.html"}); !errors.Is(err, abi.CodeFileNotFound.Err()) {
		t.Errorf("after destroy: %v", err)
	}
	if _, err := s.Destroy(ctx, &abi.Empty{}); err != nil {
		t.Fatal(err)
	}
}

// TestRealLife has a real sandbox taken over from those that were started ahead,
// frozen, put to sleep and woken.
func TestRealLife(t *testing.T) {
	t.Parallel()
	dir, init := realFolder(t)
	ctx, cancel := context.WithTimeout(t.Context(), realBound)
	defer cancel()
	e := openReal(t, dir, init, func(b *sandboxmgr.Binding) { b.Warm = 1 })
	defer e.close(t)
	eventually(ctx, t, "a machine that was started ahead", func() bool {
		entries, err := os.ReadDir(filepath.Join(dir, "machines"))
		return err == nil && len(entries) == 1
	})
	name := "A"
	s, err := e.Sandbox(abi.SandboxRef{Binding: "Sandbox", ID: "life", SandboxOptions: abi.SandboxOptions{
		Env: map[string]string{name: "option"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = s.Destroy(context.Background(), &abi.Empty{}) }()
	says := func(want string) {
		t.Helper()
		out, err := s.Exec(ctx, &abi.ExecRequest{Command: "echo $" + name})
		if err != nil || out.Stdout != want+"\n" {
			t.Errorf("%+v, %v; want %q", out, err, want)
		}
	}
	says("option")
	value := "set"
	if _, err := s.SetEnvVars(ctx, &abi.SetEnvVarsRequest{EnvVars: map[string]*string{name: &value}}); err != nil {
		t.Fatal(err)
	}
	says("set")
	switch st, err := s.Pause(ctx, &abi.Empty{}); {
	case errors.Is(err, abi.CodeUnsupported.Err()):
		t.Logf("SKIPPED: the process runtime cannot pause here: %v", err)
	case err != nil || !st.Paused:
		t.Errorf("pause = %+v, %v", st, err)
	}
	says("set") // which resumes it
	in, err := s.Inspect(ctx, &abi.Empty{})
	if err != nil || in.Paused || in.Machine == "" {
		t.Errorf("inspection %+v, %v", in, err)
	}
	brief, err := e.Sandbox(abi.SandboxRef{Binding: "Sandbox", ID: "life", SandboxOptions: abi.SandboxOptions{SleepAfter: abi.Duration(50 * time.Millisecond)}})
	if err != nil {
		t.Fatal(err)
	}
	run, release, err := brief.Wake(ctx, "", false)
	if err != nil {
		t.Fatal(err)
	}
	release()
	<-run.Ended
	if _, _, err = s.Wake(ctx, abi.WakeNever, false); !errors.Is(err, abi.CodeSandboxAsleep.Err()) {
		t.Errorf("wake of one that sleeps: %v", err)
	}
	says("set")
	if again, err := s.Running(ctx); err != nil || again.Generation <= run.Generation {
		t.Errorf("%+v, %v", again, err)
	}
}

func eventually(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never came: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
