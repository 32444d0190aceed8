package initlink

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// start starts a process by a shell command.
func start(t testing.TB, s *sandbox, id, command string) *abi.Process {
	t.Helper()
	return call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: id, Command: command})
}

func get(t testing.TB, s *sandbox, id string) *abi.Process {
	t.Helper()
	return call(t, s.Link, abi.GetProcess, abi.ProcessRequest{ProcessID: id})
}

func TestProcessLife(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	p := start(t, s, "srv", "exec sleep 701")
	if p.ID != "srv" || p.PID <= 0 || p.Status != abi.StatusRunning || p.Command != "exec sleep 701" || p.StartedAt.IsZero() {
		t.Errorf("started %+v", p)
	}
	_, err := try(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "srv", Command: "true"})
	if e := wantCode(t, err, abi.CodeProcessAlreadyExists); !strings.Contains(e.Message, "already exists") {
		t.Errorf("message %q", e.Message)
	}
	same := call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "srv", Command: "true", IfRunning: abi.IfRunningReuse})
	if same.PID != p.PID {
		t.Errorf("reused %+v", same)
	}
	other := call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "srv", Command: "exec sleep 702", IfRunning: abi.IfRunningRestart})
	if other.PID == p.PID || alive(t, "sleep 701") {
		t.Errorf("restarted %+v", other)
	}
	killed := call(t, s.Link, abi.KillProcess, abi.KillRequest{ProcessID: "srv"})
	if killed.Status != abi.StatusKilled || killed.Signal != "SIGTERM" || *killed.ExitCode != 143 || killed.EndedAt == nil || alive(t, "sleep 702") {
		t.Errorf("killed %+v", killed)
	}
	again := start(t, s, "srv", "echo second")
	if again.PID == other.PID {
		t.Errorf("again %+v", again)
	}
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "srv"})
	if got := get(t, s, "srv"); got.Status != abi.StatusCompleted || *got.ExitCode != 0 {
		t.Errorf("ended %+v", got)
	}
	// A start that fails leaves the ended one where it was.
	_, err = try(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "srv", Argv: []string{"/no/such"}})
	wantCode(t, err, abi.CodeCommandNotFound)
	if got := logs(t, s, "srv", ""); got.Stdout != "second\n" {
		t.Errorf("logs %+v", got)
	}
}

func TestProcessRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	ctx := within(t)
	tests := []struct {
		op   string
		req  any
		code abi.Code
	}{
		{"startProcess", abi.StartProcessRequest{ProcessID: "a\nb", Command: "true"}, abi.CodeInvalidRequest},
		{"startProcess", abi.StartProcessRequest{ProcessID: strings.Repeat("ä", 129), Command: "true"}, abi.CodeInvalidRequest},
		{"startProcess", abi.StartProcessRequest{Command: "true", IfRunning: "maybe"}, abi.CodeInvalidRequest},
		{"startProcess", abi.StartProcessRequest{}, abi.CodeInvalidRequest},
		{"startProcess", abi.StartProcessRequest{Argv: []string{"no-such-thing"}}, abi.CodeCommandNotFound},
		{"getProcess", abi.ProcessRequest{ProcessID: "no"}, abi.CodeProcessNotFound},
		{"getLogs", abi.LogsRequest{ProcessID: "no"}, abi.CodeProcessNotFound},
		{"killProcess", abi.KillRequest{ProcessID: "no"}, abi.CodeProcessNotFound},
		{"killProcess", abi.KillRequest{ProcessID: "no", Signal: "SIGFOO"}, abi.CodeInvalidRequest},
		{"killAllProcesses", abi.KillAllRequest{Signal: "99"}, abi.CodeInvalidRequest},
		{"waitForExit", abi.WaitForExitRequest{ProcessID: "no"}, abi.CodeProcessNotFound},
		{"waitForLog", abi.WaitForLogRequest{ProcessID: "no", Pattern: "x"}, abi.CodeProcessNotFound},
		{"shutdown", abi.StopRequest{Signal: "x"}, abi.CodeInvalidRequest},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %v", tt.op, tt.code), func(t *testing.T) {
			wantCode(t, s.Call(ctx, tt.op, tt.req, nil), tt.code)
		})
	}
	if list := call(t, s.Link, abi.ListProcesses, abi.Empty{}); len(list.Processes) != 0 {
		t.Errorf("refused starts are listed: %+v", list)
	}
}

func TestGeneratedIDsAndListing(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	var ids []string
	for range 3 {
		ids = append(ids, start(t, s, "", "sleep 711").ID)
	}
	start(t, s, "last", "exit 3")
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "last"})
	var listed []string
	for _, p := range call(t, s.Link, abi.ListProcesses, abi.Empty{}).Processes {
		listed = append(listed, p.ID)
	}
	if want := append(ids, "last"); fmt.Sprint(listed) != fmt.Sprint(want) || ids[0] == ids[1] {
		t.Errorf("listed %v, want %v", listed, want)
	}
	if got := get(t, s, "last"); got.Status != abi.StatusFailed || *got.ExitCode != 3 {
		t.Errorf("last %+v", got)
	}
	var pong initproto.PingResponse
	if err := s.Call(within(t), initproto.OpPing, nil, &pong); err != nil || pong.Processes != 3 || pong.Boot == "" {
		t.Errorf("ping %+v, %v", pong, err)
	}
	if got := call(t, s.Link, abi.KillAllProcesses, abi.KillAllRequest{}); got.Count != 3 {
		t.Errorf("killed %d", got.Count)
	}
}

// TestStartRace: one id, many callers, one process.
func TestStartRace(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const callers = 30
	type result struct {
		pid int
		err error
	}
	results := make(chan result, callers)
	for range callers {
		go func() {
			var p abi.Process
			err := s.Call(within(t), "startProcess", abi.StartProcessRequest{ProcessID: "one", Command: "exec sleep 721", IfRunning: abi.IfRunningReuse}, &p)
			results <- result{p.PID, err}
		}()
	}
	pids := map[int]bool{}
	for range callers {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		pids[r.pid] = true
	}
	if len(pids) != 1 {
		t.Errorf("pids %v", pids)
	}
}

// TestKillReachesAll: a server that ignores TERM, with children in its group,
// in other sessions and without an environment.
func TestKillReachesAll(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "tree", "trap '' TERM; sleep 731 & setsid sleep 732 & env -i setsid sleep 733 & (setsid sleep 734 &); echo up; while :; do sleep 1; done")
	start(t, s, "bystander", "exec sleep 735")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "tree", Pattern: "up"})
	all := []string{"sleep 731", "sleep 732", "sleep 733", "sleep 734"}
	for _, text := range all {
		until(t, text+" runs", func() bool { return alive(t, text) })
	}
	got := call(t, s.Link, abi.KillProcess, abi.KillRequest{ProcessID: "tree", Grace: abi.Duration(200 * time.Millisecond)})
	if got.Status != abi.StatusKilled || got.Signal != "SIGKILL" {
		t.Errorf("killed %+v", got)
	}
	for _, text := range all {
		if alive(t, text) {
			t.Errorf("%s was left", text)
		}
	}
	if !alive(t, "sleep 735") {
		t.Error("a bystander was killed")
	}
}

// TestKillAfterExit: what an ended process left behind is killed too, and its
// own end stays what it was.
func TestKillAfterExit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "parent", "setsid sleep 741 & exit 5")
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "parent"})
	until(t, "the child runs", func() bool { return alive(t, "sleep 741") })
	got := call(t, s.Link, abi.KillProcess, abi.KillRequest{ProcessID: "parent", Signal: "9"})
	if got.Status != abi.StatusFailed || *got.ExitCode != 5 || alive(t, "sleep 741") {
		t.Errorf("got %+v", got)
	}
}

// TestKillSignal: the signal asked for arrives, and a clean end within the
// grace is told as it was.
func TestKillSignal(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, sig := range []abi.Signal{"USR1", "SIGUSR1", "10", "usr1"} {
		start(t, s, "p", "trap 'echo got; exit 4' USR1; echo up; while :; do sleep 0.01; done")
		call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: "up"})
		// The shell's child dies of the signal, which reaches the whole group.
		got := call(t, s.Link, abi.KillProcess, abi.KillRequest{ProcessID: "p", Signal: sig})
		if got.Status != abi.StatusKilled || *got.ExitCode != 4 || got.Signal != "" {
			t.Errorf("%s: %+v", sig, got)
		}
		if out := logs(t, s, "p", "").Stdout; out != "up\ngot\n" {
			t.Errorf("%s: printed %q", sig, out)
		}
	}
}

func TestProcessTimeout(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "p", Command: "sleep 751", Timeout: abi.Duration(100 * time.Millisecond)})
	st := call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
	if st.Signal != "SIGTERM" || get(t, s, "p").Status != abi.StatusKilled {
		t.Errorf("ended %+v", st)
	}
}

func TestWaitForExitTimeout(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "p", "exec sleep 761")
	_, err := try(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p", Timeout: abi.Duration(50 * time.Millisecond)})
	wantCode(t, err, abi.CodeTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantCode(t, s.Call(ctx, "waitForExit", abi.WaitForExitRequest{ProcessID: "p"}, nil), abi.CodeTimeout)
	if s.Broken() || get(t, s, "p").Status != abi.StatusRunning {
		t.Error("waiting in vain did harm")
	}
}

// TestOutputOfQuickProcess: a process that prints and ends at once has printed
// all of it by the time that its end is told.
func TestOutputOfQuickProcess(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for i := range 20 {
		start(t, s, "quick", fmt.Sprintf("seq 1 2000; echo end %d >&2", i))
		call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "quick"})
		got := logs(t, s, "quick", "")
		if !strings.HasSuffix(got.Stdout, "\n1999\n2000\n") || got.Stderr != fmt.Sprintf("end %d\n", i) {
			t.Fatalf("run %d: %d bytes, stderr %q", i, len(got.Stdout), got.Stderr)
		}
	}
}

// TestEndedProcessesAreForgotten: only so many ended ones are kept.
func TestEndedProcessesAreForgotten(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const started = 130
	for i := range started {
		call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: fmt.Sprint(i), Argv: []string{"true"}})
	}
	until(t, "all have ended and few are kept", func() bool {
		ps := call(t, s.Link, abi.ListProcesses, abi.Empty{}).Processes
		return len(ps) == 100 && ps[len(ps)-1].ID == fmt.Sprint(started-1)
	})
}

// TestShutdownWithoutCaller: an init that was asked to end does, although the
// edge that asked has gone before its answer.
func TestShutdownWithoutCaller(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "stubborn", "trap 'echo asked' TERM; echo up; while :; do sleep 0.01; done")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "stubborn", Pattern: "up"})
	ctx, goAway := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		asked <- s.Call(ctx, initproto.OpShutdown, abi.StopRequest{Grace: abi.Duration(struckLater)}, nil)
	}()
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "stubborn", Pattern: "asked"})
	goAway()
	if err := <-asked; err == nil {
		t.Error("the caller did not go away")
	}
	late := time.AfterFunc(patience, func() { s.init.cmd.Process.Kill() })
	defer late.Stop()
	if err := s.init.cmd.Wait(); err != nil {
		t.Errorf("the init ended with %v", err)
	}
}

// TestShutdown ends everything and then the init.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	file := filepath.Join(s.init.work, "f")
	start(t, s, "p", fmt.Sprintf("trap 'echo bye >%s; exit 0' TERM; echo up; while :; do sleep 0.01; done", file))
	start(t, s, "stubborn", "trap '' TERM; setsid sleep 771 & while :; do sleep 0.01; done")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: "up"})
	until(t, "the child runs", func() bool { return alive(t, "sleep 771") })
	err := s.Call(within(t), initproto.OpShutdown, abi.StopRequest{Grace: abi.Duration(struckLater)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.init.cmd.Wait(); err != nil {
		t.Errorf("the init ended with %v", err)
	}
	if alive(t, "sleep 771") {
		t.Error("a child was left")
	}
	if b := readHost(t, file); b != "bye\n" {
		t.Errorf("the server's last words: %q", b)
	}
}
