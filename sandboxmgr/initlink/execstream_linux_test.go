package initlink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// opened begins a stream of a row and closes it at the test's end.
func opened[Req, Event any](t testing.TB, l *Link, op *abi.StreamOperation[Req, Event], req Req) abi.Socket {
	t.Helper()
	s, err := l.Open(within(t), op.Name(), req)
	if err != nil {
		t.Fatalf("%s: %v", op.Name(), err)
	}
	t.Cleanup(func() { s.Close(1000, "") })
	return s
}

// nextEvent receives one event; err is how the stream ended instead.
func nextEvent[Event any](t testing.TB, s abi.Socket) (e Event, err error) {
	t.Helper()
	opcode, b, err := s.Receive(within(t))
	if err != nil {
		return e, err
	}
	if opcode != abi.OpcodeText {
		t.Fatalf("a message of opcode %d", opcode)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return e, nil
}

// execEvents receives all events of an execStream, and checks their order. Data
// of one stream is put together.
func execEvents(t testing.TB, s abi.Socket) (stdout, stderr string, exit *abi.ExecEvent, end error) {
	t.Helper()
	first, err := nextEvent[abi.ExecEvent](t, s)
	if err != nil || first.Type != abi.ExecStart || first.PID <= 0 {
		t.Fatalf("first %+v, %v", first, err)
	}
	for {
		e, err := nextEvent[abi.ExecEvent](t, s)
		switch {
		case err != nil:
			return stdout, stderr, exit, err
		case exit != nil:
			t.Fatalf("after the exit %+v", e)
		case e.Type == abi.ExecStdout:
			stdout += e.Data
		case e.Type == abi.ExecStderr:
			stderr += e.Data
		case e.Type == abi.ExecExit:
			exit = &e
		default:
			t.Fatalf("got %+v", e)
		}
	}
}

func say(t testing.TB, s abi.Socket, opcode byte, body string) {
	t.Helper()
	if err := s.Send(within(t), opcode, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func TestExecStream(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name           string
		req            abi.ExecStreamRequest
		stdout, stderr string
		code           int
		signal         string
	}{
		{"both streams", abi.ExecStreamRequest{Command: "echo out; echo err >&2; exit 7"}, "out\n", "err\n", 7, ""},
		{"nothing", abi.ExecStreamRequest{Argv: []string{"true"}}, "", "", 0, ""},
		{"signal", abi.ExecStreamRequest{Command: "echo x; kill -9 $$"}, "x\n", "", 137, "SIGKILL"},
		{"stdin", abi.ExecStreamRequest{Command: "cat", Stdin: "in"}, "in", "", 0, ""},
		{"large stdin nobody reads", abi.ExecStreamRequest{Command: "true", Stdin: strings.Repeat("x", 3<<20)}, "", "", 0, ""},
		{"no stdin", abi.ExecStreamRequest{Command: "wc -c | tr -d ' '"}, "0\n", "", 0, ""},
		{"closes its output", abi.ExecStreamRequest{Command: "echo x; exec >&- 2>&-; sleep 0.2"}, "x\n", "", 0, ""},
		{"binary", abi.ExecStreamRequest{Command: `printf 'a\377\000\n'`}, "a\uFFFD\x00\n", "", 0, ""},
		{"half a character at the end", abi.ExecStreamRequest{Command: `printf 'a\342\202'`}, "a\uFFFD\uFFFD", "", 0, ""},
		{"half a character in each stream", abi.ExecStreamRequest{
			Command: `printf '\342'; printf '\303' >&2; sleep 0.1; printf '\202'; sleep 0.1; printf '\254'; printf '\244' >&2`}, "€", "ä", 0, ""},
		{"env and cwd", abi.ExecStreamRequest{Command: `echo "$A $PWD"`, Env: map[string]string{"A": "1"}, Cwd: s.init.work}, "1 " + s.init.work + "\n", "", 0, ""},
		{"much", abi.ExecStreamRequest{Command: "head -c 3000000 /dev/zero | tr '\\0' '\"'"}, strings.Repeat(`"`, 3000000), "", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, exit, err := execEvents(t, opened(t, s.Link, abi.ExecStream, tt.req))
			wantClosed(t, err, 1000)
			if stdout != tt.stdout || stderr != tt.stderr {
				t.Errorf("got %.60q and %.60q", stdout, stderr)
			}
			if exit == nil || exit.ExitCode == nil || *exit.ExitCode != tt.code || exit.Signal != tt.signal {
				t.Errorf("exit %+v", exit)
			}
		})
	}
}

// TestExecStreamBase64: every event is complete by itself.
func TestExecStreamBase64(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: "head -c 200000 /dev/zero; printf '\\377'", Encoding: "base64"})
	var got []byte
	for {
		e, err := nextEvent[abi.ExecEvent](t, st)
		if err != nil {
			wantClosed(t, err, 1000)
			break
		}
		b, err := base64.StdEncoding.DecodeString(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
	}
	if len(got) != 200001 || got[200000] != 0xff {
		t.Errorf("got %d bytes", len(got))
	}
}

// TestExecStreamInput: what is sent is the command's input, until it is ended;
// signals reach its whole group.
func TestExecStreamInput(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: "cat; echo over", Stdin: "first,", Input: true})
	say(t, st, abi.OpcodeBinary, "second,")
	say(t, st, abi.OpcodeBinary, strings.Repeat("x", abi.MaxStreamBinary))
	say(t, st, abi.OpcodeText, `{"type":"end"}`)
	stdout, _, exit, err := execEvents(t, st)
	wantClosed(t, err, 1000)
	if stdout != "first,second,"+strings.Repeat("x", abi.MaxStreamBinary)+"over\n" || *exit.ExitCode != 0 {
		t.Errorf("got %.60q, %+v", stdout, exit)
	}
	for signal, want := range map[string]string{`"INT"`: "SIGINT", `9`: "SIGKILL", `"sigterm"`: "SIGTERM"} {
		// No shell: one that has just been started may swallow a signal.
		st = opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Argv: []string{"sleep", "661"}})
		say(t, st, abi.OpcodeText, `{"type":"signal","signal":`+signal+`}`)
		_, _, exit, err = execEvents(t, st)
		wantClosed(t, err, 1000)
		if exit == nil || exit.Signal != want {
			t.Errorf("%s: %+v", signal, exit)
		}
	}
}

// TestExecStreamWrongInput: a message that means nothing ends the stream and the
// command.
func TestExecStreamWrongInput(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, m := range map[string]struct {
		opcode byte
		body   string
		input  bool
	}{
		"not JSON": {abi.OpcodeText, "}{", true}, "unknown type": {abi.OpcodeText, `{"type":"resize","cols":1}`, true},
		"no signal": {abi.OpcodeText, `{"type":"signal","signal":"SIGFOO"}`, false}, "input without input": {abi.OpcodeBinary, "x", false},
	} {
		st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: "echo so far; exec sleep 662", Input: m.input})
		for first := ""; first != "so far\n"; {
			e, err := nextEvent[abi.ExecEvent](t, st)
			if err != nil {
				t.Fatal(err)
			}
			first = e.Data
		}
		say(t, st, m.opcode, m.body)
		_, err := nextEvent[abi.ExecEvent](t, st)
		if e := wantCode(t, err, abi.CodeInvalidRequest); e.Message == "" {
			t.Errorf("%s: %v", name, e)
		}
		until(t, "the command was killed", func() bool { return !alive(t, "sleep 662") })
	}
}

// TestExecStreamRefuses: what cannot be started is an error before the stream.
func TestExecStreamRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, tt := range []struct {
		req  abi.ExecStreamRequest
		code abi.Code
	}{
		{abi.ExecStreamRequest{}, abi.CodeInvalidRequest},
		{abi.ExecStreamRequest{Command: "true", Encoding: "latin1"}, abi.CodeInvalidRequest},
		{abi.ExecStreamRequest{Argv: []string{"no-such-thing"}}, abi.CodeCommandNotFound},
		{abi.ExecStreamRequest{Argv: []string{"/etc/passwd"}}, abi.CodeCommandNotFound},
		{abi.ExecStreamRequest{Command: "true", Cwd: "/no/such"}, abi.CodeFileNotFound},
		{abi.ExecStreamRequest{Command: "true", Session: "no"}, abi.CodeSessionNotFound},
	} {
		_, err := s.Open(within(t), "execStream", tt.req)
		wantCode(t, err, tt.code)
	}
	_, err := s.Open(within(t), "exec", abi.ExecRequest{Command: "true"})
	if !errors.Is(err, abi.CodeUnsupported.Err()) {
		t.Logf("opening what is no stream: %v", err)
	}
}

// TestExecStreamTimeout fires while output flows: all of it that was printed is
// told before the error, and everything that was started is gone.
func TestExecStreamTimeout(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{
		Command: "trap '' TERM; setsid sleep 671 & (setsid sleep 672 &); while :; do echo tick; sleep 0.01; done",
		Timeout: abi.Duration(struckLater),
	})
	stdout, _, exit, err := execEvents(t, st)
	e := wantCode(t, err, abi.CodeTimeout)
	if exit != nil || !strings.HasPrefix(stdout, "tick\ntick\n") || e.Started != abi.StartedYes || e.Suggestion == "" {
		t.Errorf("%q, %+v, %+v", stdout, exit, e)
	}
	if alive(t, "sleep 671") || alive(t, "sleep 672") {
		t.Error("something was left")
	}
	// A flood that nobody reads before the timeout: what the pipes held is told.
	st = opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Argv: []string{"yes", "yyyyyyyy"}, Timeout: abi.Duration(struckLater)})
	until(t, "the flood was killed", func() bool { return !alive(t, "yes yyyyyyyy") })
	stdout, _, _, err = execEvents(t, st)
	wantCode(t, err, abi.CodeTimeout)
	if len(stdout) == 0 || strings.Trim(stdout, "y\n") != "" {
		t.Errorf("got %d bytes", len(stdout))
	}
}

// TestExecStreamClose: closing kills the command and what it started, also while
// nothing is printed and while a flood is held up.
func TestExecStreamClose(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, command := range []string{"setsid sleep 681 & sleep 682", "setsid sleep 681 & sleep 682 & yes"} {
		st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: command, Input: true})
		until(t, "the command runs", func() bool { return alive(t, "sleep 681") && alive(t, "sleep 682") })
		st.Close(1000, "")
		until(t, "the command was killed", func() bool { return !alive(t, "sleep 681") && !alive(t, "sleep 682") })
	}
	call(t, s.Link, abi.Exec, abi.ExecRequest{Command: "true"})
	if s.Broken() {
		t.Error("closing counts as a violation")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams != 0 {
		t.Errorf("%d streams are counted", s.streams)
	}
}

// TestExecStreamBackgroundChild: a child that keeps the pipe neither holds up the
// end nor is killed, and may go on printing.
func TestExecStreamBackgroundChild(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	file := s.init.work + "/done"
	st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{
		Command: fmt.Sprintf("(while ! test -e %s.go; do sleep 0.01; done; echo late; echo ok >%s; exec sleep 691) & echo early", file, file),
	})
	stdout, _, exit, err := execEvents(t, st)
	wantClosed(t, err, 1000)
	if stdout != "early\n" || *exit.ExitCode != 0 {
		t.Errorf("got %q, %+v", stdout, exit)
	}
	call(t, s.Link, abi.WriteFile, abi.WriteFileRequest{Path: file + ".go"})
	until(t, "the child printed after the stream and lived on", func() bool {
		b, err := os.ReadFile(file)
		return err == nil && string(b) == "ok\n" && alive(t, "sleep 691")
	})
}

// TestExecStreamSlowReader: a command that prints much to a slow reader is held up, neither side grows, and nothing is lost.
func TestExecStreamSlowReader(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	size := 64 << 20
	if raceEnabled {
		size = 32 << 20
	}
	st := opened(t, s.Link, abi.ExecStream, abi.ExecStreamRequest{Command: fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x; echo done >&2", size)})
	flood := fmt.Sprintf("head -c %d /dev/zero", size)
	until(t, "the command runs", func() bool { return alive(t, flood) })
	time.Sleep(200 * time.Millisecond) // nobody reads
	if !alive(t, flood) {
		t.Error("the command was not held up")
	}
	var got, peak int
	for {
		e, err := nextEvent[abi.ExecEvent](t, st)
		if err != nil {
			wantClosed(t, err, 1000)
			break
		}
		if e.Type == abi.ExecStdout {
			got += len(e.Data)
		}
		if got>>24 != (got-len(e.Data))>>24 {
			peak = max(peak, privateKiB(t, s.init.cmd.Process.Pid))
		}
	}
	if got != size {
		t.Errorf("got %d bytes", got)
	}
	t.Logf("the init had %d KiB of private memory at most", peak)
	if peak > 16<<10 && !raceEnabled {
		t.Errorf("the init grew to %d KiB", peak)
	}
}

// TestManyStreams: eight streams at once beside calls, each with its own.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	errs := make(chan error, 100)
	for i := range cap(errs) {
		go func() {
			errs <- func() error {
				st, err := s.Open(within(t), "execStream", abi.ExecStreamRequest{Command: fmt.Sprintf("echo %d", i)})
				if err != nil {
					return err
				}
				defer st.Close(1000, "")
				var said string
				for {
					_, b, err := st.Receive(within(t))
					var closed *abi.SocketClosed
					if errors.As(err, &closed) && said == fmt.Sprintf("%d\n", i) {
						return nil
					}
					if err != nil {
						return fmt.Errorf("stream %d said %q: %w", i, said, err)
					}
					var e abi.ExecEvent
					if err := json.Unmarshal(b, &e); err != nil {
						return err
					}
					said += e.Data
				}
			}()
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	until(t, "no stream is counted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.streams == 0 })
}

// TestStreamOpeningEnds: the end of the opening's context afterwards changes
// nothing.
func TestStreamOpeningEnds(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	st, err := s.Open(ctx, "execStream", abi.ExecStreamRequest{Command: "cat", Input: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close(1000, "")
	cancel()
	say(t, st, abi.OpcodeBinary, "x")
	say(t, st, abi.OpcodeText, `{"type":"end"}`)
	stdout, _, _, err := execEvents(t, st)
	wantClosed(t, err, 1000)
	if stdout != "x" {
		t.Errorf("got %q", stdout)
	}
}
