package initlink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

func TestExec(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name string
		req  abi.ExecRequest
		want abi.ExecResponse
	}{
		{"shell", abi.ExecRequest{Command: "echo out; echo err >&2"}, abi.ExecResponse{Success: true, Stdout: "out\n", Stderr: "err\n"}},
		{"argv", abi.ExecRequest{Argv: []string{"printf", "%s|", "a b", "$HOME"}}, abi.ExecResponse{Success: true, Stdout: "a b|$HOME|"}},
		{"exit code", abi.ExecRequest{Command: "exit 7"}, abi.ExecResponse{ExitCode: 7}},
		{"unknown in a shell", abi.ExecRequest{Command: "exec 2>/dev/null; no-such-thing"}, abi.ExecResponse{ExitCode: 127}},
		{"signal", abi.ExecRequest{Command: "kill -9 $$"}, abi.ExecResponse{ExitCode: 137, Signal: "SIGKILL"}},
		{"stdin", abi.ExecRequest{Command: "cat", Stdin: "in"}, abi.ExecResponse{Success: true, Stdout: "in"}},
		{"stdin nobody reads", abi.ExecRequest{Command: "true", Stdin: strings.Repeat("x", 3<<20)}, abi.ExecResponse{Success: true}},
		{"no stdin", abi.ExecRequest{Command: "wc -c | tr -d ' '"}, abi.ExecResponse{Success: true, Stdout: "0\n"}},
		{"env", abi.ExecRequest{Command: `echo "$A-$EDGE_INIT_TOKEN-$EDGE_INIT_DIR"`, Env: map[string]string{"A": "1=2"}}, abi.ExecResponse{Success: true, Stdout: "1=2--\n"}},
		{"cwd", abi.ExecRequest{Command: "pwd", Cwd: s.init.work}, abi.ExecResponse{Success: true, Stdout: s.init.work + "\n"}},
		{"relative program", abi.ExecRequest{Argv: []string{"./sh", "-c", "echo $0"}, Cwd: "/bin"}, abi.ExecResponse{Success: true, Stdout: "./sh\n"}},
		{"invalid UTF-8", abi.ExecRequest{Command: `printf 'a\377b\000c'`}, abi.ExecResponse{Success: true, Stdout: "a\uFFFDb\x00c"}},
		{"base64", abi.ExecRequest{Command: `printf 'a\377b'`, Encoding: "base64"}, abi.ExecResponse{Success: true, Stdout: base64.StdEncoding.EncodeToString([]byte("a\xffb"))}},
		{"truncated", abi.ExecRequest{Command: "echo 123456789; echo x >&2", MaxOutput: 4}, abi.ExecResponse{Success: true, Stdout: "1234", Stderr: "x\n", Truncated: true}},
		{"truncated in a character", abi.ExecRequest{Command: "printf abcä", MaxOutput: 4}, abi.ExecResponse{Success: true, Stdout: "abc", Truncated: true}},
		{"own group", abi.ExecRequest{Command: `test $(ps -o pgid= -p $$) = $$`}, abi.ExecResponse{Success: true}},
		{"worse out-of-memory score", abi.ExecRequest{Command: "until grep -q '^500$' /proc/self/oom_score_adj; do sleep 0.01; done; cat /proc/self/oom_score_adj"}, abi.ExecResponse{Success: true, Stdout: "500\n"}},
		{"no new privileges", abi.ExecRequest{Command: "grep -c 'NoNewPrivs:.*1' /proc/self/status"}, abi.ExecResponse{Success: true, Stdout: "1\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := call(t, s.Link, abi.Exec, tt.req)
			if got.Duration <= 0 && tt.want.Success {
				t.Logf("duration %v", got.Duration)
			}
			got.Duration = 0
			if *got != tt.want {
				t.Errorf("got  %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}

func TestExecRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name string
		req  abi.ExecRequest
		code abi.Code
		text string
	}{
		{"nothing", abi.ExecRequest{}, abi.CodeInvalidRequest, "exactly one"},
		{"both", abi.ExecRequest{Command: "a", Argv: []string{"b"}}, abi.CodeInvalidRequest, "exactly one"},
		{"unknown program", abi.ExecRequest{Argv: []string{"no-such-thing"}}, abi.CodeCommandNotFound, "no-such-thing: command not found"},
		{"unknown path", abi.ExecRequest{Argv: []string{"/no/such"}}, abi.CodeCommandNotFound, "/no/such"},
		{"not executable", abi.ExecRequest{Argv: []string{"/etc/passwd"}}, abi.CodeCommandNotFound, "cannot be executed"},
		{"own PATH", abi.ExecRequest{Argv: []string{"true"}, Env: map[string]string{"PATH": "/nowhere"}}, abi.CodeCommandNotFound, "/nowhere"},
		{"empty program", abi.ExecRequest{Argv: []string{""}}, abi.CodeInvalidRequest, "argv[0]"},
		{"cwd that is missing", abi.ExecRequest{Command: "true", Cwd: "/no/such"}, abi.CodeFileNotFound, "does not exist"},
		{"cwd that is a file", abi.ExecRequest{Command: "true", Cwd: "/etc/passwd"}, abi.CodeNotDirectory, "not a directory"},
		{"NUL", abi.ExecRequest{Command: "echo \x00"}, abi.CodeInvalidRequest, "NUL"},
		{"bad variable", abi.ExecRequest{Command: "true", Env: map[string]string{"A=B": "c"}}, abi.CodeInvalidRequest, "A=B"},
		{"encoding", abi.ExecRequest{Command: "true", Encoding: "latin1"}, abi.CodeInvalidRequest, "latin1"},
		{"maxOutput", abi.ExecRequest{Command: "true", MaxOutput: abi.MaxMaxOutput + 1}, abi.CodeInvalidRequest, "maxOutput"},
		{"too many arguments", abi.ExecRequest{Argv: []string{"true", strings.Repeat("x", 4<<20)}}, abi.CodeInvalidRequest, "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := try(t, s.Link, abi.Exec, tt.req)
			e := wantCode(t, err, tt.code)
			if !strings.Contains(e.Message+e.Suggestion, tt.text) {
				t.Errorf("%q does not tell %q", e.Message, tt.text)
			}
		})
	}
	if s.Broken() {
		t.Error("errors of users broke the link")
	}
}

func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	wantCode(t, s.Call(within(t), "fly", nil, nil), abi.CodeUnknownOperation)
	wantCode(t, s.Call(within(t), "exec", []int{1}, nil), abi.CodeInvalidRequest)
}

// TestExecLargeOutput moves more than the pipes and one frame hold.
func TestExecLargeOutput(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "head -c 3000000 /dev/zero | tr '\\0' x; head -c 2000000 /dev/zero | tr '\\0' y >&2", MaxOutput: abi.MaxMaxOutput})
	if len(got.Stdout) != 3000000 || len(got.Stderr) != 2000000 || strings.Trim(got.Stdout, "x") != "" || got.Truncated {
		t.Errorf("got %d and %d bytes, truncated %v", len(got.Stdout), len(got.Stderr), got.Truncated)
	}
}

// TestExecBackgroundChild: a child that keeps the pipe neither holds up the
// answer nor is killed, and may go on printing.
func TestExecBackgroundChild(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	file := filepath.Join(s.init.work, "done")
	got := call(t, s.Link, abi.Exec, abi.ExecRequest{
		Command: fmt.Sprintf("(while ! test -e %s.go; do sleep 0.01; done; echo late; echo ok >%s; exec sleep 611) & echo early", file, file),
	})
	if got.Stdout != "early\n" {
		t.Errorf("got %q", got.Stdout)
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: file + ".go"})
	until(t, "the child printed after the call and lived on", func() bool {
		r, err := try(t, s.Link, abi.ReadFile, abi.ReadFileRequest{Path: file})
		return err == nil && r.Content == "ok\n" && alive(t, "sleep 611")
	})
	s.init.end(t)
	if alive(t, "sleep 611") {
		t.Error("the end of the init left a child")
	}
}

// struckLater is a timeout that strikes when a command has long done what it does
// before it waits.
const struckLater = 5 * time.Second

// TestExecTimeout: while output flows, with children of other sessions, of
// which one has an empty environment and one lost its parent.
func TestExecTimeout(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	_, err := try(t, s.Link, abi.Exec, abi.ExecRequest{
		Command: "trap '' TERM; setsid sleep 621 & env -i setsid sleep 622 & (setsid sleep 623 &) ; while :; do echo tick; sleep 0.01; done",
		Timeout: abi.Duration(struckLater),
	})
	e := wantCode(t, err, abi.CodeTimeout)
	var got abi.ExecResponse
	if err := json.Unmarshal(e.Details, &got); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Stdout, "tick\ntick\n") || got.Success || got.Signal != "SIGKILL" || e.Started != abi.StartedYes {
		t.Errorf("got %+v, started %s", got, e.Started)
	}
	for _, text := range []string{"sleep 621", "sleep 622", "sleep 623"} {
		if alive(t, text) {
			t.Errorf("%s was left", text)
		}
	}
}

// TestExecTimeoutLargeDetails: what was printed so far is larger than a frame.
func TestExecTimeoutLargeDetails(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	_, err := try(t, s.Link, abi.Exec, abi.ExecRequest{
		Command: "head -c 900000 /dev/zero | tr '\\0' x; sleep 631", Timeout: abi.Duration(struckLater),
	})
	var got abi.ExecResponse
	if err := json.Unmarshal(wantCode(t, err, abi.CodeTimeout).Details, &got); err != nil || len(got.Stdout) != 900000 {
		t.Errorf("got %d bytes, %v", len(got.Stdout), err)
	}
}

// TestCallersDeadline: the caller's own deadline reaches the init, which still
// tells what came of it.
func TestCallersDeadline(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	ctx, cancel := context.WithTimeout(t.Context(), struckLater)
	defer cancel()
	err := s.Call(ctx, "exec", abi.ExecRequest{Command: "echo so far; sleep 641"}, nil)
	e := wantCode(t, err, abi.CodeTimeout)
	if !strings.Contains(string(e.Details), "so far") {
		t.Errorf("details %s", e.Details)
	}
	if alive(t, "sleep 641") {
		t.Error("the command was left")
	}
}

func TestCancelKills(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- s.Call(ctx, "exec", abi.ExecRequest{Command: "setsid sleep 651 & sleep 652"}, nil)
	}()
	until(t, "the command runs", func() bool { return alive(t, "sleep 651") && alive(t, "sleep 652") })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	until(t, "the command was killed", func() bool { return !alive(t, "sleep 651") && !alive(t, "sleep 652") })
	call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "true"})
	if s.Broken() {
		t.Error("cancelling counts as a violation")
	}
}

// TestManyLargeCalls makes more calls with large bodies than the init reads at a
// time, each longer than a link waits for an init that does not read.
func TestManyLargeCalls(t *testing.T) {
	t.Parallel()
	times := unhurried()
	times.write = usualTiming.write
	s := newTimed(t, times)
	const callers = initproto.MaxLarge + 2
	seconds := (times.write + time.Second).Seconds()
	errs := make(chan error, callers)
	for range callers {
		go func() {
			var got abi.ExecResponse
			err := s.Call(within(t), "exec", abi.ExecRequest{Command: fmt.Sprintf("sleep %v", seconds), Stdin: strings.Repeat("x", 2*initproto.LargeBody)}, &got)
			if err == nil && !got.Success {
				err = fmt.Errorf("got %+v", got)
			}
			errs <- err
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	call(t, s.Link, abi.Exists, abi.PathRequest{Path: s.init.work}) // the link is whole
}

// TestManyCalls has more callers than connections may be open.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const callers = 100
	errs := make(chan error, callers)
	for i := range callers {
		go func() {
			var got abi.ExecResponse
			err := s.Call(within(t), "exec", abi.ExecRequest{Command: fmt.Sprintf("echo %d", i)}, &got)
			if err == nil && got.Stdout != fmt.Sprintf("%d\n", i) {
				err = fmt.Errorf("call %d got %q", i, got.Stdout)
			}
			errs <- err
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.conns); n > initproto.MaxConns {
		t.Errorf("%d connections are open", n)
	}
}
