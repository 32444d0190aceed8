package initlink

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

func logs(t testing.TB, s *sandbox, id, since string) *abi.LogsResponse {
	t.Helper()
	return call(t, s.Link, abi.GetLogs, abi.LogsRequest{ProcessID: id, Since: since})
}

func readHost(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLogsResume: a cursor continues where an answer ended, in both streams,
// and one of an earlier run is the beginning.
func TestLogsResume(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	steps := s.init.work
	start(t, s, "p", "echo a; echo b >&2; while ! test -e "+steps+"/1; do sleep 0.01; done; echo c; printf '\\303'; while ! test -e "+steps+"/2; do sleep 0.01; done; printf '\\244\\n'")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: "b"})
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: "a"})
	first := logs(t, s, "p", "")
	if first.Stdout != "a\n" || first.Stderr != "b\n" || first.Dropped != 0 {
		t.Fatalf("first %+v", first)
	}
	if again := logs(t, s, "p", first.Cursor); again.Stdout+again.Stderr != "" || again.Cursor != first.Cursor {
		t.Errorf("again %+v", again)
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: steps + "/1"})
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: "c"})
	second := logs(t, s, "p", first.Cursor)
	if second.Stdout != "c\n" || second.Stderr != "" { // half a character stays for later
		t.Errorf("second %+v", second)
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: steps + "/2"})
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
	if third := logs(t, s, "p", second.Cursor); third.Stdout != "ä\n" {
		t.Errorf("third %+v", third)
	}
	if tail := call(t, s.Link, abi.GetLogs, abi.LogsRequest{ProcessID: "p", Tail: 2}); tail.Stdout != "c\nä\n" {
		t.Errorf("tail %+v", tail)
	}
	start(t, s, "p", "echo new")
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
	if got := logs(t, s, "p", second.Cursor); got.Stdout != "new\n" || got.Dropped != 0 {
		t.Errorf("after a restart %+v", got)
	}
	for _, bad := range []string{"x", "1.2", "1.-2.3", "1.2.3 ", "99999999999999999999.1.1"} {
		_, err := try(t, s.Link, abi.GetLogs, abi.LogsRequest{ProcessID: "p", Since: bad})
		wantCode(t, err, abi.CodeInvalidRequest)
	}
}

// TestLogsOverflow: the ring keeps the last MiB and tells what is gone.
func TestLogsOverflow(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	step := s.init.work + "/go"
	start(t, s, "p", "echo begin; while ! test -e "+step+"; do sleep 0.01; done; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: "begin"})
	first := logs(t, s, "p", "")
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: step})
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
	got := logs(t, s, "p", first.Cursor)
	const printed = 3000000 + len("\nend\n")
	if len(got.Stdout) != abi.LogRingBytes || got.Dropped != int64(printed-abi.LogRingBytes) || !strings.HasSuffix(got.Stdout, "x\nend\n") {
		t.Errorf("got %d bytes, %d dropped", len(got.Stdout), got.Dropped)
	}
	if rest := logs(t, s, "p", got.Cursor); rest.Stdout != "" || rest.Dropped != 0 {
		t.Errorf("rest %d bytes, %d dropped", len(rest.Stdout), rest.Dropped)
	}
}

func TestWaitForLog(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name, command string
		req           abi.WaitForLogRequest
		line          string
		match         []string
	}{
		{"before", "echo x; echo ready on 8080; exec sleep 781", abi.WaitForLogRequest{Pattern: "ready"}, "ready on 8080", []string{"ready"}},
		{"after", "sleep 0.2; echo ready; exec sleep 781", abi.WaitForLogRequest{Pattern: "ready"}, "ready", []string{"ready"}},
		{"stderr", "echo ready >&2; exec sleep 781", abi.WaitForLogRequest{Pattern: "ready"}, "ready", []string{"ready"}},
		{"groups", "echo listening on port 8080!; exec sleep 781", abi.WaitForLogRequest{Pattern: `port (\d+)(x)?`, Regexp: true}, "listening on port 8080!", []string{"port 8080", "8080", ""}},
		{"dot is a dot", "echo axb; echo a.b; exec sleep 781", abi.WaitForLogRequest{Pattern: "a.b"}, "a.b", []string{"a.b"}},
		{"colours", `printf '\033[32mready\033[0m in \033[1m5\033[22m ms\r\n'; exec sleep 781`, abi.WaitForLogRequest{Pattern: "ready in 5 ms"}, "ready in 5 ms", []string{"ready in 5 ms"}},
		{"no newline", "printf 'name? '; exec sleep 781", abi.WaitForLogRequest{Pattern: "name?"}, "name? ", []string{"name?"}},
		{"last words", "printf bye", abi.WaitForLogRequest{Pattern: "bye"}, "bye", []string{"bye"}},
		{"ends at once", "echo done", abi.WaitForLogRequest{Pattern: "done"}, "done", []string{"done"}},
		{"in a flood", "seq 1 300000; echo ready; seq 1 300000; exec sleep 781", abi.WaitForLogRequest{Pattern: "^ready$", Regexp: true}, "ready", []string{"ready"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.req.ProcessID = tt.name
			start(t, s, tt.name, tt.command)
			got := call(t, s.Link, abi.WaitForLog, tt.req)
			if got.Line != tt.line || strings.Join(got.Match, "|") != strings.Join(tt.match, "|") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWaitForLogFails(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "mute", "echo why >&2; exec sleep 782")
	call(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "mute", Pattern: "why"})
	_, err := try(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "mute", Pattern: "ready", Timeout: abi.Duration(50 * time.Millisecond)})
	if d := notReady(t, wantCode(t, err, abi.CodeProcessReadyTimeout)); d.StderrTail != "why\n" || d.ExitCode != nil {
		t.Errorf("details %+v", d)
	}
	start(t, s, "crash", `printf '\033[31mno port\033[0m\n' >&2; sleep 0.1; exit 9`)
	_, err = try(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "crash", Pattern: "ready"})
	if d := notReady(t, wantCode(t, err, abi.CodeProcessExitedBeforeReady)); d.StderrTail != "no port\n" || d.ExitCode == nil || *d.ExitCode != 9 {
		t.Errorf("details %+v", d)
	}
	start(t, s, "shot", "kill -9 $$")
	_, err = try(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "shot", Pattern: "ready"})
	if d := notReady(t, wantCode(t, err, abi.CodeProcessExitedBeforeReady)); d.Signal != "SIGKILL" {
		t.Errorf("details %+v", d)
	}
	for pattern, construct := range map[string]string{`(?=x)`: "lookahead", `(`: "missing closing", "": "empty"} {
		_, err := try(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "mute", Pattern: pattern, Regexp: true})
		if e := wantCode(t, err, abi.CodeInvalidRequest); !strings.Contains(e.Message, construct) {
			t.Errorf("%q: %q", pattern, e.Message)
		}
	}
}

func notReady(t testing.TB, e *abi.Error) abi.NotReady {
	t.Helper()
	var d abi.NotReady
	if err := json.Unmarshal(e.Details, &d); err != nil {
		t.Fatal(err)
	}
	return d
}
