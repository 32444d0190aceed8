package remote

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// allBytes is output that no text is.
func allBytes() string {
	b := make([]byte, 0, 3*256)
	for i := range 3 * 256 {
		b = append(b, byte(i))
	}
	return string(b)
}

func exit(code int) abi.ExecEvent { return abi.ExecEvent{Type: abi.ExecExit, ExitCode: &code} }

func output(kind abi.ExecEventType, text string) abi.ExecEvent {
	return abi.ExecEvent{Type: kind, Data: base64.StdEncoding.EncodeToString([]byte(text))}
}

func TestExecStreams(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	var asked abi.ExecStreamRequest
	e.streams["execStream"] = func(s *serverStream, request []byte) {
		if err := json.Unmarshal(request, &asked); err != nil {
			t.Error(err)
		}
		s.event(abi.ExecEvent{Type: abi.ExecStart, PID: 5})
		// What comes in goes out, and the end of it ends the command.
		for {
			kind, message, err := s.conn.ReadMessage()
			if err != nil {
				t.Error(err)
				return
			}
			if kind == 1 {
				break
			}
			s.event(output(abi.ExecStdout, string(message)))
		}
		s.event(output(abi.ExecStderr, "told\n"))
		s.event(exit(7))
		s.end()
	}
	s := &screen{in: strings.NewReader(allBytes()), vars: map[string]string{"HOST_VAR": "x"}}
	v := &execCommand{
		Sandbox: "one", Command: []string{"--", "cat", "-"}, Interactive: true, Timeout: Span(time.Minute),
		Task: Task{Env: []string{"A=b=c", "HOST_VAR", "UNSET"}, Workdir: "/tmp", User: "root", Session: "s"},
	}
	if err := v.Run(t.Context(), s.env(e)); codeOf(err) != 7 {
		t.Errorf("err = %v", err)
	}
	if s.out.String() != allBytes() || s.err.String() != "told\n" {
		t.Errorf("printed %q and %q", &s.out, &s.err)
	}
	if got := strings.Join(asked.Argv, " "); got != "cat -" || !asked.Input || asked.Encoding != "base64" || asked.Cwd != "/tmp" ||
		asked.User != "root" || asked.Session != "s" || asked.Timeout.D() != time.Minute || len(asked.Env) != 2 || asked.Env["A"] != "b=c" || asked.Env["HOST_VAR"] != "x" {
		t.Errorf("asked for %+v", asked)
	}
}

func TestExecExitCodes(t *testing.T) {
	t.Parallel()
	run := func(do func(s *serverStream)) func(*edge) {
		return func(e *edge) { e.streams["execStream"] = func(s *serverStream, _ []byte) { do(s) } }
	}
	fail := func(code abi.Code) func(*edge) {
		return run(func(s *serverStream) { s.fail(abi.Errorf(code, "so it is")) })
	}
	tests := []struct {
		name  string
		setup func(*edge)
		verb  execCommand
		want  int
		says  string
	}{
		{"good", run(func(s *serverStream) { s.event(exit(0)); s.end() }), execCommand{}, 0, ""},
		{"its own", run(func(s *serverStream) { s.event(exit(125)); s.end() }), execCommand{}, 125, "the command failed"},
		{"killed", run(func(s *serverStream) { s.event(exit(137)); s.end() }), execCommand{}, 137, "the command failed"},
		{"not found", fail(abi.CodeCommandNotFound), execCommand{}, 127, "COMMAND_NOT_FOUND: so it is"},
		{"not executable", run(func(s *serverStream) {
			s.fail(abi.Errorf(abi.CodeCommandNotFound, "no program").WithDetails(abi.CommandNotFoundDetails{Exists: true}))
		}), execCommand{}, 126, "COMMAND_NOT_FOUND: no program"},
		{"not for this user", fail(abi.CodePermissionDenied), execCommand{}, 126, "PERMISSION_DENIED: so it is"},
		{"timeout", fail(abi.CodeTimeout), execCommand{}, 125, "TIMEOUT: so it is"},
		{"refused", func(*edge) {}, execCommand{}, 125, "UNSUPPORTED: no stream execStream in this test"},
		{"broken off", run(func(*serverStream) {}), execCommand{}, 125, "the stream broke off: the connection to the edge is gone"},
		{"ended early", run(func(s *serverStream) { s.end() }), execCommand{}, 125, "the edge ended the stream before the command's end"},
		{"no command", func(*edge) {}, execCommand{Command: []string{}}, 125, "INVALID_REQUEST: exec: there is no command"},
		{"no such variable", func(*edge) {}, execCommand{Task: Task{Env: []string{"=x"}}}, 125, "--env =x: want NAME=VALUE"},
		{"no terminal", func(*edge) {}, execCommand{TTY: true, Interactive: true}, 125, "INVALID_REQUEST: exec: the standard input is no terminal"},
		{"terminal without -t", func(*edge) {}, execCommand{Terminal: "x"}, 125, "INVALID_REQUEST: exec: --terminal and --takeover need -t"},
		{"bad sandbox", func(*edge) {}, execCommand{Sandbox: "www"}, 125, `INVALID_SANDBOX_ID: sandbox id "www" is a reserved word`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{}
			tt.setup(e)
			if tt.verb.Command == nil {
				tt.verb.Command = []string{"true"}
			}
			if tt.verb.Sandbox == "" {
				tt.verb.Sandbox = "one"
			}
			err := tt.verb.Run(t.Context(), s.env(e))
			if codeOf(err) != tt.want || err != nil && err.Error() != tt.says {
				t.Errorf("exit code %d (%v), want %d (%s)", codeOf(err), err, tt.want, tt.says)
			}
		})
	}
}

// TestExecPassesSignals interrupts a command until this side gives up.
func TestExecPassesSignals(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	got := make(chan abi.StreamInput, 8)
	e.streams["execStream"] = func(s *serverStream, _ []byte) {
		for {
			var in abi.StreamInput
			if s.conn.ReadJSON(&in) != nil {
				return
			}
			got <- in
		}
	}
	s := &screen{signals: make(chan chan<- os.Signal, 1)}
	done := make(chan error, 1)
	go func() { done <- (&execCommand{Sandbox: "one", Command: []string{"sleep"}}).Run(t.Context(), s.env(e)) }()
	signals := <-s.signals
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		signals <- sig
		if in := <-got; in.Type != abi.InputSignal || in.Signal != signalName(sig) {
			t.Errorf("%v became %+v", sig, in)
		}
	}
	signals <- os.Interrupt
	if err := <-done; codeOf(err) != exitInterrupted {
		t.Errorf("err = %v", err)
	}
}

// TestSignalsThatCannotBeSent wants giving up to work while a signal waits behind
// input that the command does not read.
func TestSignalsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	var forwarded []os.Signal
	gaveUp := make(chan struct{})
	s := &screen{signals: make(chan chan<- os.Signal, 1)}
	stop := forwardSignals(s.env(startEdge(t)), func(sig os.Signal) {
		<-gaveUp
		forwarded = append(forwarded, sig)
	}, func() { close(gaveUp) })
	sent := []os.Signal{syscall.SIGHUP, syscall.SIGTERM, os.Interrupt}
	signals := <-s.signals
	for _, sig := range append(sent, os.Interrupt) {
		signals <- sig
	}
	select {
	case <-gaveUp:
	case <-time.After(30 * time.Second):
		t.Error("the signals are not counted")
		close(gaveUp)
	}
	stop()
	if !slices.Equal(forwarded, sent) {
		t.Errorf("forwarded %v, want %v", forwarded, sent)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		last any
		want int
		says string
	}{
		{"exit", abi.TerminalEvent{Type: abi.TerminalExit, ExitCode: new(3)}, 3, "the command failed"},
		{"taken", abi.TerminalEvent{Type: abi.TerminalTaken}, 125, "the terminal was taken over by another connection"},
		{"error", abi.TerminalEvent{Type: abi.TerminalError, Error: abi.Errorf(abi.CodeSandboxLost, "gone")}, 125, "SANDBOX_LOST: gone"},
		{"failure", map[string]any{"error": abi.Errorf(abi.CodeTooManyRequests, "open elsewhere")}, 125, "TOO_MANY_REQUESTS: open elsewhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, s := startEdge(t), &screen{vars: map[string]string{"TERM": "vt100"}}
			var asked abi.TerminalRequest
			e.streams["terminal"] = func(stream *serverStream, request []byte) {
				if err := json.Unmarshal(request, &asked); err != nil {
					t.Error(err)
				}
				stream.event(abi.TerminalEvent{Type: abi.TerminalReady, ID: "t"})
				_ = stream.conn.WriteMessage(2, []byte("\x1b[1mhello"))
				stream.event(tt.last)
				stream.end()
			}
			v := &execCommand{Sandbox: "one", TTY: true, Terminal: "t", Takeover: true}
			err := v.Run(t.Context(), s.env(e))
			if codeOf(err) != tt.want || err.Error() != tt.says || s.out.String() != "\x1b[1mhello" {
				t.Errorf("exit code %d (%v), printed %q", codeOf(err), err, &s.out)
			}
			if asked.ID != "t" || !asked.Takeover || asked.Env["TERM"] != "vt100" {
				t.Errorf("asked for %+v", asked)
			}
		})
	}
}

// logsOf serves the events as the logs of a process.
func logsOf(e *edge, events ...abi.LogEvent) {
	e.streams["streamLogs"] = func(s *serverStream, _ []byte) {
		for _, ev := range events {
			ev.Data = base64.StdEncoding.EncodeToString([]byte(ev.Data))
			s.event(ev)
		}
		s.end()
	}
}

func TestRunAndLogs(t *testing.T) {
	t.Parallel()
	e := startEdge(t)
	var asked abi.StartProcessRequest
	e.calls["startProcess"] = func(_ Ref, body []byte) (any, error) {
		return abi.Process{ID: "p-1"}, json.Unmarshal(body, &asked)
	}
	destroyed := false
	e.calls["destroy"] = func(Ref, []byte) (any, error) { destroyed = true; return abi.Empty{}, nil }
	logsOf(e, abi.LogEvent{Type: abi.LogDropped, Dropped: 9}, abi.LogEvent{Type: abi.LogStdout, Data: "\xffout\n"},
		abi.LogEvent{Type: abi.LogStderr, Data: "err\n"}, abi.LogEvent{Type: abi.LogExit, ExitCode: new(4)})

	s := &screen{}
	if err := (&runCommand{Sandbox: "one", Command: []string{"a", "-b"}, Detach: true, Name: "p-1"}).Run(t.Context(), s.env(e)); err != nil || s.out.String() != "p-1\n" {
		t.Errorf("run -d: %v, %q", err, &s.out)
	}
	if strings.Join(asked.Argv, " ") != "a -b" || asked.ProcessID != "p-1" {
		t.Errorf("asked for %+v", asked)
	}
	s = &screen{}
	err := (&runCommand{Sandbox: "one", Command: []string{"a"}, Rm: true}).Run(t.Context(), s.env(e))
	if codeOf(err) != 4 || !destroyed || s.out.String() != "\xffout\n" || s.err.String() != "edge: 9 bytes are not kept any more\nerr\n" {
		t.Errorf("run: %v, destroyed %v, %q, %q", err, destroyed, &s.out, &s.err)
	}
	s = &screen{}
	if err := (&logsCommand{Sandbox: "one", Process: "p-1"}).Run(t.Context(), s.env(e)); err != nil || s.out.String() != "\xffout\n" {
		t.Errorf("logs: %v, %q", err, &s.out)
	}
	if err := (&runCommand{Sandbox: "one", Command: []string{"a"}, Rm: true, Detach: true}).Run(t.Context(), s.env(e)); codeOf(err) != 125 {
		t.Errorf("run -d --rm: %v", err)
	}
	logsOf(e)
	if err := (&runCommand{Sandbox: "one", Command: []string{"a"}}).Run(t.Context(), s.env(e)); codeOf(err) != 125 {
		t.Errorf("run whose logs end early: %v", err)
	}
}

func TestLogsFindTheOnlyProcess(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ids   []string
		fails string
	}{
		{[]string{"web"}, ""},
		{nil, "PROCESS_NOT_FOUND: Sandbox/one has no processes"},
		{[]string{"a", "b"}, "INVALID_REQUEST: Sandbox/one has several processes: a, b"},
	}
	for _, tt := range tests {
		e, s := startEdge(t), &screen{}
		e.calls["getState"] = func(Ref, []byte) (any, error) { return abi.SandboxState{State: abi.StateRunning}, nil }
		e.calls["listProcesses"] = func(Ref, []byte) (any, error) {
			var list abi.ProcessList
			for _, id := range tt.ids {
				list.Processes = append(list.Processes, abi.Process{ID: id})
			}
			return list, nil
		}
		logsOf(e, abi.LogEvent{Type: abi.LogStdout, Data: "x"})
		err := (&logsCommand{Sandbox: "one"}).Run(t.Context(), s.env(e))
		if tt.fails == "" && (err != nil || s.out.String() != "x") || tt.fails != "" && (err == nil || err.Error() != tt.fails) {
			t.Errorf("%v: %v, %q", tt.ids, err, &s.out)
		}
	}
}

func TestLogsAsJSON(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.streams["streamLogs"] = func(stream *serverStream, request []byte) {
		var asked abi.StreamLogsRequest
		if err := json.Unmarshal(request, &asked); err != nil || !asked.Follow || asked.Tail != 5 || asked.Since != "1.2.3" {
			t.Errorf("asked for %s, %v", request, err)
		}
		stream.event(abi.LogEvent{Type: abi.LogStdout, Data: "hi", Cursor: "1.2.4"})
		stream.end()
	}
	v := &logsCommand{Sandbox: "one", Process: "p", Follow: true, Tail: 5, Since: "1.2.3", Output: Output{"json"}}
	if err := v.Run(t.Context(), s.env(e)); err != nil || s.out.String() != `{"type":"stdout","data":"hi","cursor":"1.2.4"}`+"\n" {
		t.Errorf("%v, %q", err, &s.out)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	e, s := startEdge(t), &screen{}
	e.events = ": keep-alive\n\nevent: started\nid: 1\ndata: {\"type\":\"started\",\"binding\":\"Sandbox\",\"id\":\"one\",\"generation\":2,\"duration\":31,\"at\":\"2026-01-02T03:04:05Z\"}\n\n" +
		"event: dropped\ndata: {\"type\":\"dropped\",\ndata: \"dropped\":3,\"at\":\"2026-01-02T03:04:06Z\"}\n\n" +
		"event: error\ndata: {\"error\":{\"code\":\"CANCELED\",\"message\":\"the edge ends\"}}\n\n"
	err := (&eventsCommand{}).Run(t.Context(), s.env(e))
	if err == nil || err.Error() != "CANCELED: the edge ends" {
		t.Errorf("err = %v", err)
	}
	at := func(second int) string {
		return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC).Local().Format(time.TimeOnly)
	}
	want := at(5) + "  started         Sandbox/one  generation 2  in 31 ms\n" + at(6) + "  3 events are missing here\n"
	if s.out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &s.out, want)
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("event: a\ndata: {}\n\n")
	f.Add("data: 1\ndata:2\n\n:\n\ndata")
	f.Add("data: {\"error\":{\"code\":\"X\"}}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, show := range []func(io.Writer, []byte) error{printEvent, printEventJSON} {
			_ = readEvents(strings.NewReader(text), func(data []byte) error { return show(io.Discard, data) })
		}
	})
}

func FuzzFailureOf(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"TIMEOUT","message":"m"}}`))
	f.Add([]byte(`{"type":"error","error":{"code":"TIMEOUT"}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		err := failureOf(message)
		var e *abi.Error
		if err != nil && (!errors.As(err, &e) || e.Code == "") {
			t.Errorf("failureOf(%q) = %v", message, err)
		}
	})
}
