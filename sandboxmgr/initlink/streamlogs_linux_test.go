package initlink

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// told is what a log stream told.
type told struct {
	stdout, stderr string
	dropped        int64
	cursor         string
	exit           *abi.LogEvent
}

// follow adds events until one fits, or the stream ends (its error is returned).
func (got *told) follow(t testing.TB, s abi.Socket, enough func(*told) bool) error {
	t.Helper()
	for !enough(got) {
		e, err := nextEvent[abi.LogEvent](t, s)
		if err != nil {
			return err
		}
		got.cursor = e.Cursor
		switch e.Type {
		case abi.LogStdout:
			got.stdout += e.Data
		case abi.LogStderr:
			got.stderr += e.Data
		case abi.LogDropped:
			got.dropped += e.Dropped
		case abi.LogExit:
			got.exit = &e
		}
	}
	return nil
}

func toTheEnd(*told) bool { return false }

// TestStreamLogs follows a process from before its output to its end, and goes on
// from cursors: nothing is lost or told twice.
func TestStreamLogs(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	steps := s.init.work
	step := func(name string) string { return "while ! test -e " + steps + "/" + name + "; do sleep 0.01; done; " }
	start(t, s, "p", "echo a; echo b >&2; "+step("1")+"echo c; printf '\\342\\202'; "+step("2")+"printf '\\254\\n'; exit 3")
	st := opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Follow: true})
	var got told
	if err := got.follow(t, st, func(g *told) bool { return g.stdout == "a\n" && g.stderr == "b\n" }); err != nil {
		t.Fatal(err)
	}
	st.Close(1000, "")
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: steps + "/1"})
	st = opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Since: got.cursor, Follow: true})
	if err := got.follow(t, st, func(g *told) bool { return g.stdout == "a\nc\n" }); err != nil {
		t.Fatal(err)
	}
	now := opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p"}) // what is there, and no more
	var there told
	wantClosed(t, there.follow(t, now, toTheEnd), 1000)
	if there.stdout != "a\nc\n" || there.stderr != "b\n" || there.exit != nil {
		t.Errorf("there is %+v", there)
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: steps + "/2"})
	wantClosed(t, got.follow(t, st, toTheEnd), 1000)
	if got.stdout != "a\nc\n€\n" || got.stderr != "b\n" || got.dropped != 0 || got.exit == nil || *got.exit.ExitCode != 3 {
		t.Errorf("got %+v", got)
	}
	rest := opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Since: got.cursor, Follow: true})
	var nothing told
	wantClosed(t, nothing.follow(t, rest, toTheEnd), 1000)
	if nothing.stdout+nothing.stderr != "" || nothing.exit == nil || nothing.cursor != got.cursor {
		t.Errorf("at the end %+v", nothing)
	}
	for tail, want := range map[int]string{1: "€\n", 2: "c\n€\n", 9: "a\nc\n€\n"} {
		var got told
		wantClosed(t, got.follow(t, opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Tail: tail}), toTheEnd), 1000)
		if got.stdout != want || got.stderr != "b\n" || got.dropped != 0 || got.exit == nil {
			t.Errorf("tail %d: %+v", tail, got)
		}
	}
	start(t, s, "p", "echo new") // an earlier run's cursor is the beginning of this one
	var again told
	wantClosed(t, again.follow(t, opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Since: got.cursor, Follow: true}), toTheEnd), 1000)
	if again.stdout != "new\n" || again.dropped != 0 {
		t.Errorf("after a restart %+v", again)
	}
}

func TestStreamLogsRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "p", "true")
	for _, tt := range []struct {
		req  abi.StreamLogsRequest
		code abi.Code
	}{
		{abi.StreamLogsRequest{ProcessID: "no"}, abi.CodeProcessNotFound},
		{abi.StreamLogsRequest{ProcessID: "p", Since: "x"}, abi.CodeInvalidRequest},
		{abi.StreamLogsRequest{ProcessID: "p", Tail: -1}, abi.CodeInvalidRequest},
		{abi.StreamLogsRequest{ProcessID: "p", Encoding: "latin1"}, abi.CodeInvalidRequest},
	} {
		_, err := s.Open(within(t), "streamLogs", tt.req)
		wantCode(t, err, tt.code)
	}
}

// TestStreamLogsSlowFollower: who does not read holds up neither the process nor
// other followers, and is told what the ring has lost; what the ring holds is
// told whole.
func TestStreamLogsSlowFollower(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	step := s.init.work + "/go"
	const flood = 8 << 20
	start(t, s, "p", fmt.Sprintf("echo begin; while ! test -e %s; do sleep 0.01; done; head -c %d /dev/zero | tr '\\0' x; echo; echo end", step, flood))
	slow := opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Follow: true})
	binary := opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Follow: true, Encoding: "base64"})
	var got told
	if err := got.follow(t, slow, func(g *told) bool { return g.stdout == "begin\n" }); err != nil {
		t.Fatal(err)
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: step})
	call(t, s.Link, abi.WaitForExit, abi.WaitForExitRequest{ProcessID: "p"})
	wantClosed(t, got.follow(t, slow, toTheEnd), 1000)
	const printed = flood + len("begin\n\nend\n")
	if n := int64(len(got.stdout)) + got.dropped; n != int64(printed) || !strings.HasSuffix(got.stdout, "x\nend\n") || len(got.stdout) < abi.LogRingBytes {
		t.Errorf("%d bytes told and %d dropped of %d", len(got.stdout), got.dropped, printed)
	}
	sum := int64(0)
	for {
		e, err := nextEvent[abi.LogEvent](t, binary)
		if err != nil {
			wantClosed(t, err, 1000)
			break
		}
		b, err := base64.StdEncoding.DecodeString(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		sum += int64(len(b)) + e.Dropped
	}
	if sum != int64(printed) {
		t.Errorf("%d bytes told or dropped of %d", sum, printed)
	}
	var tail told // the loss of lines that were asked for is told, others' is not
	wantClosed(t, tail.follow(t, opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Tail: 1}), toTheEnd), 1000)
	if tail.stdout != "end\n" || tail.dropped != 0 {
		t.Errorf("tail 1: %d bytes, %d dropped", len(tail.stdout), tail.dropped)
	}
	tail = told{}
	wantClosed(t, tail.follow(t, opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Tail: 5}), toTheEnd), 1000)
	if int64(len(tail.stdout))+tail.dropped != int64(printed) {
		t.Errorf("tail 5: %d bytes, %d dropped", len(tail.stdout), tail.dropped)
	}
}

// TestStreamLogsManyFollowers: each gets all of it, and goes away when it likes.
func TestStreamLogsManyFollowers(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	step := s.init.work + "/go"
	start(t, s, "p", "while ! test -e "+step+"; do sleep 0.01; done; seq 1 5000")
	var want strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&want, i+1)
	}
	var followers []abi.Socket
	for range 40 {
		followers = append(followers, opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "p", Follow: true}))
	}
	for _, f := range followers[:5] {
		f.Close(1000, "")
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: step})
	for i, f := range followers[5:] {
		var got told
		wantClosed(t, got.follow(t, f, toTheEnd), 1000)
		if got.stdout != want.String() || got.exit == nil {
			t.Fatalf("follower %d got %d bytes", i, len(got.stdout))
		}
	}
	start(t, s, "gone", "exec sleep 791") // who follows what is replaced learns its end
	f := opened(t, s.Link, abi.StreamLogs, abi.StreamLogsRequest{ProcessID: "gone", Follow: true})
	call(t, s.Link, abi.StartProcess, abi.StartProcessRequest{ProcessID: "gone", Command: "exec sleep 792", IfRunning: abi.IfRunningRestart})
	var got told
	wantClosed(t, got.follow(t, f, toTheEnd), 1000)
	if got.exit == nil || got.exit.Signal != "SIGTERM" {
		t.Errorf("got %+v", got.exit)
	}
}

// TestWaitForLogHostile: expressions that would cost the init its time or memory
// are refused, or cost little.
func TestWaitForLogHostile(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	start(t, s, "p", "head -c 60000 /dev/zero | tr '\\0' a; echo; exec sleep 793")
	refused := []string{
		"((a{100}){100}){100}", "(a{1000}){1000}", strings.Repeat("(", 2000), strings.Repeat("(?:a|", 1500) + strings.Repeat(")", 1500),
		"(?i)" + strings.Repeat(`\pL`, 1000), "x{1001}", "(((a?){30}){30}){30}",
	}
	for _, pattern := range refused {
		_, err := try(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: pattern, Regexp: true, Timeout: abi.Duration(time.Second)})
		wantCode(t, err, abi.CodeInvalidRequest)
	}
	for _, pattern := range []string{"(a*)*b", "(a|aa)+$b", "(.*)(.*)(.*)(.*)(.*)[0-9]x", "(?:a?){100}a{100}b"} {
		began := time.Now()
		_, err := try(t, s.Link, abi.WaitForLog, abi.WaitForLogRequest{ProcessID: "p", Pattern: pattern, Regexp: true, Timeout: abi.Duration(200 * time.Millisecond)})
		wantCode(t, err, abi.CodeProcessReadyTimeout)
		t.Logf("%s: %v", pattern, time.Since(began).Round(time.Millisecond))
	}
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "echo alive"}); got.Stdout != "alive\n" {
		t.Errorf("got %+v", got)
	}
}
