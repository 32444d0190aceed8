package initlink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// terminal is the edge's end of a terminal, with what came so far.
type terminal struct {
	abi.Socket
	t      testing.TB
	ready  abi.TerminalEvent
	output []byte
}

// openTerminal opens a terminal and awaits its first event. The test's end
// closes the connection.
func openTerminal(t testing.TB, l *Link, req abi.TerminalRequest) *terminal {
	t.Helper()
	term, err := tryTerminal(t, l, req)
	if err != nil {
		t.Fatalf("terminal: %v", err)
	}
	return term
}

func tryTerminal(t testing.TB, l *Link, req abi.TerminalRequest) (*terminal, error) {
	t.Helper()
	sock, err := l.Open(within(t), abi.Terminal.Name(), req)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { sock.Close(1000, "") })
	term := &terminal{Socket: sock, t: t}
	event, _ := term.next()
	if event == nil || event.Type != abi.TerminalReady || event.PID == 0 || event.ID == "" {
		t.Fatalf("first came %+v", event)
	}
	term.ready = *event
	return term, nil
}

// next returns the next event, or how the stream ended; output is gathered.
func (x *terminal) next() (*abi.TerminalEvent, error) {
	x.t.Helper()
	op, b, err := x.Receive(within(x.t))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		x.t.Fatalf("nothing came any more; the output was %.2000q", x.output)
	case err != nil:
		return nil, err
	case op == abi.OpcodeBinary:
		x.output = append(x.output, b...)
		return nil, nil
	}
	event := new(abi.TerminalEvent)
	if err := json.Unmarshal(b, event); err != nil {
		x.t.Fatalf("event %q: %v", b, err)
	}
	return event, nil
}

// expect waits until the text was printed.
func (x *terminal) expect(text string) {
	x.t.Helper()
	for !bytes.Contains(x.output, []byte(text)) {
		if event, err := x.next(); event != nil || err != nil {
			x.t.Fatalf("%+v, %v came before %q; the output was %q", event, err, text, x.output)
		}
	}
}

// last returns the last event, after which the stream must end with code 1000.
func (x *terminal) last() *abi.TerminalEvent {
	x.t.Helper()
	for {
		event, err := x.next()
		if err != nil {
			x.t.Fatalf("the stream ended with %v; the output was %q", err, x.output)
		}
		if event == nil {
			continue
		}
		_, err = x.next()
		var closed *abi.SocketClosed
		if !errors.As(err, &closed) || closed.Code != 1000 {
			x.t.Errorf("after %+v came %v", event, err)
		}
		return event
	}
}

func (x *terminal) wantExit(code int, signal string) {
	x.t.Helper()
	e := x.last()
	if e.Type != abi.TerminalExit || e.ExitCode == nil || *e.ExitCode != code || e.Signal != signal {
		x.t.Errorf("last came %+v, want exit with %d %s; the output was %.2000q", e, code, signal, x.output)
	}
	if want := x.ready.Offset + int64(len(x.output)); e.Offset != want {
		x.t.Errorf("the exit is at %d, %d bytes came", e.Offset, want)
	}
}

func (x *terminal) enter(text string) {
	x.t.Helper()
	if err := x.Send(within(x.t), abi.OpcodeBinary, []byte(text)); err != nil {
		x.t.Fatalf("type %.40q: %v", text, err)
	}
}

func (x *terminal) say(in abi.StreamInput) {
	x.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := x.Send(within(x.t), abi.OpcodeText, b); err != nil {
		x.t.Fatalf("say %+v: %v", in, err)
	}
}

func (x *terminal) close() {
	x.t.Helper()
	if err := x.Close(1000, ""); err != nil {
		x.t.Logf("close: %v", err)
	}
}

// shellEnv gives every shell the same prompt, whatever this computer's settings.
func shellEnv(s *sandbox) map[string]string {
	return map[string]string{"PS1": "prompt> ", "PROMPT_COMMAND": "PS1='prompt> '", "ENV": "", "HOME": s.init.work}
}

// TestTerminalShell: the shell that is there by default is usable as it is.
func TestTerminalShell(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for i, shell := range []string{"", "/bin/sh", "sh"} {
		t.Run("shell "+shell, func(t *testing.T) {
			t.Parallel()
			term := openTerminal(t, s.Link, abi.TerminalRequest{Shell: shell, Cwd: s.init.work, Cols: 100, Rows: 30, Env: shellEnv(s)})
			term.expect("prompt> ")
			term.enter("echo $((6*7)).$TERM; stty size; tty; pwd\r")
			term.expect("42.xterm-256color\r\n30 100\r\n/dev/pts/")
			term.expect(s.init.work)
			interrupted := fmt.Sprintf("sleep 901%d", i)
			term.enter(interrupted + "\r")
			until(t, "the job runs", func() bool { return alive(t, interrupted) })
			term.enter("\x03") // Ctrl-C
			term.enter("echo $?\r")
			term.expect("130\r\n")
			ended := fmt.Sprintf("sleep 902%d", i)
			term.enter(ended + "\r")
			until(t, "the job runs", func() bool { return alive(t, ended) })
			term.say(abi.StreamInput{Type: abi.InputSignal, Signal: "TERM"})
			term.enter("echo $?\r")
			term.expect("143\r\n")
			term.say(abi.StreamInput{Type: abi.InputResize, Cols: 40, Rows: 10})
			term.enter("stty size\r")
			term.expect("10 40\r\n")
			term.enter("exit 3\r")
			term.wantExit(3, "")
		})
	}
}

func TestTerminalPrograms(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	tests := []struct {
		name string
		req  abi.TerminalRequest
		want string
		code int
	}{
		{"argv", abi.TerminalRequest{Argv: []string{"printf", "%s|", "a b", "$HOME"}}, "a b|$HOME|", 0},
		{"command", abi.TerminalRequest{Command: "echo out; echo err >&2; exit 5"}, "out\r\nerr\r\n", 5},
		{"three standard files", abi.TerminalRequest{Command: "test -t 0 && test -t 1 && test -t 2"}, "", 0},
		{"window by default", abi.TerminalRequest{Command: "stty size"}, "24 80\r\n", 0},
		{"largest window", abi.TerminalRequest{Command: "stty size", Cols: 1000, Rows: 1000}, "1000 1000\r\n", 0},
		{"own TERM", abi.TerminalRequest{Command: "echo $TERM$A", Env: map[string]string{"TERM": "dumb", "A": "=1"}}, "dumb=1\r\n", 0},
		{"cwd", abi.TerminalRequest{Command: "pwd", Cwd: s.init.work}, s.init.work + "\r\n", 0},
		{"a session of its own", abi.TerminalRequest{Command: "test $(ps -o sid= -p $$) = $$ && ps -o tpgid= -p $$ | grep -q -v -e -1"}, "", 0},
		{"no new privileges", abi.TerminalRequest{Command: "grep -c 'NoNewPrivs:.*1' /proc/self/status"}, "1\r\n", 0},
		{"UTF-8", abi.TerminalRequest{Command: "stty -a | grep -c -w iutf8"}, "1\r\n", 0},
		{"no descriptors of the init", abi.TerminalRequest{Command: "ls -l /proc/self/fd | grep -c -e ptmx -e socket; true"}, "0\r\n", 0},
		{"killed", abi.TerminalRequest{Command: "kill -9 $$"}, "", 137},
		{"a terminal that was let go", abi.TerminalRequest{Command: "tty=$(tty); exec >/dev/null 2>&1 </dev/null; sleep 0.1; echo late >$tty; sleep 0.1; echo later >/dev/tty"}, "late\r\nlater\r\n", 0},
		{"a job stays", abi.TerminalRequest{Command: "trap '' HUP; sleep 2 & echo out"}, "out\r\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			term := openTerminal(t, s.Link, tt.req)
			signal := ""
			if tt.code == 137 {
				signal = "SIGKILL"
			}
			term.wantExit(tt.code, signal)
			if got := string(term.output); got != tt.want {
				t.Errorf("printed %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTerminalRefuses(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	negative := int64(-1)
	tests := []struct {
		name string
		req  abi.TerminalRequest
		code abi.Code
	}{
		{"two programs", abi.TerminalRequest{Shell: "/bin/sh", Command: "true"}, abi.CodeInvalidRequest},
		{"unknown shell", abi.TerminalRequest{Shell: "/no/such"}, abi.CodeCommandNotFound},
		{"unknown program", abi.TerminalRequest{Argv: []string{"no-such-thing"}}, abi.CodeCommandNotFound},
		{"missing cwd", abi.TerminalRequest{Cwd: "/no/such"}, ""},
		{"bad variable", abi.TerminalRequest{Env: map[string]string{"A=B": "c"}}, abi.CodeInvalidRequest},
		{"id with a control character", abi.TerminalRequest{ID: "a\x01"}, abi.CodeInvalidRequest},
		{"id too long", abi.TerminalRequest{ID: strings.Repeat("x", abi.MaxProcessIDLength+1)}, abi.CodeInvalidRequest},
		{"window too wide", abi.TerminalRequest{Cols: abi.MaxWindow + 1}, abi.CodeInvalidRequest},
		{"window of less than nothing", abi.TerminalRequest{Rows: -1}, abi.CodeInvalidRequest},
		{"negative offset", abi.TerminalRequest{Since: &negative}, abi.CodeInvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tryTerminal(t, s.Link, tt.req)
			var e *abi.Error
			if !errors.As(err, &e) || tt.code != "" && e.Code != tt.code {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
}

// TestTerminalMessages: a message that makes no sense ends the connection with
// an error event, and the terminal with it unless it has a name.
func TestTerminalMessages(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, text := range map[string]string{
		"an unknown type": `{"type":"dance"}`, "no type": `{}`, "wrong JSON type": `{"type":7}`,
		"no width": `{"type":"resize","rows":24}`, "too wide": `{"type":"resize","cols":1001,"rows":24}`,
		"no signal": `{"type":"signal"}`, "unknown signal": `{"type":"signal","signal":"DANCE"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := openTerminal(t, s.Link, abi.TerminalRequest{Argv: []string{"sleep", "911"}})
			if err := term.Send(within(t), abi.OpcodeText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			event, err := term.next()
			if err != nil || event == nil || event.Type != abi.TerminalError || event.Error == nil || event.Error.Code != abi.CodeInvalidRequest {
				t.Fatalf("got %+v, %v", event, err)
			}
			_, err = term.next()
			wantCode(t, err, abi.CodeInvalidRequest)
			until(t, "the program was killed", func() bool { return os.IsNotExist(exists(term.ready.PID)) })
		})
	}
}

// exists returns nil while there is a process of that pid.
func exists(pid int) error {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err
}

// TestTerminalBinary: every byte crosses both ways.
func TestTerminalBinary(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	term := openTerminal(t, s.Link, abi.TerminalRequest{Command: "stty raw -echo; echo go; exec cat"})
	term.expect("go\n")
	term.output = nil
	sent := make([]byte, 1<<20)
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(sent)
	done := make(chan error, 1)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), abi.MaxStreamBinary)
			if err := term.Send(t.Context(), abi.OpcodeBinary, rest[:n]); err != nil {
				done <- err
				return
			}
			rest = rest[n:]
		}
		done <- nil
	}()
	for len(term.output) < len(sent) {
		if event, err := term.next(); event != nil || err != nil {
			t.Fatalf("%+v, %v after %d bytes", event, err, len(term.output))
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(term.output) != sha256.Sum256(sent) {
		t.Error("the bytes were changed on the way")
	}
	term.say(abi.StreamInput{Type: abi.InputSignal, Signal: "9"})
	term.output, term.ready.Offset = nil, 0
	if e := term.last(); e.Signal != "SIGKILL" {
		t.Errorf("last came %+v", e)
	}
}

// TestTerminalComesBack: output goes on while nobody holds the terminal, and
// what is kept of it is replayed from any offset.
func TestTerminalComesBack(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const total = 400000 // more than is kept
	gate := s.init.work + "/gate"
	req := abi.TerminalRequest{ID: "tä", Command: fmt.Sprintf(
		`stty raw -echo; printf begin; while ! test -e %s; do sleep 0.01; done; head -c %d /dev/zero; printf end; cat`, gate, total)}
	term := openTerminal(t, s.Link, req)
	term.expect("begin")
	if _, err := tryTerminal(t, s.Link, req); true {
		wantCode(t, err, abi.CodeTooManyRequests)
	}
	term.close()
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const all = 5 + total + 3
	reopen := func(since int64, first, dropped int64) {
		t.Helper()
		req.Since = &since
		var back *terminal
		until(t, "the terminal is free", func() bool {
			var err error
			back, err = tryTerminal(t, s.Link, req)
			return err == nil
		})
		defer back.close()
		if back.ready.PID != term.ready.PID || back.ready.ID != req.ID || back.ready.Offset != first || back.ready.Dropped != dropped {
			t.Fatalf("since %d: %+v, want offset %d, %d dropped", since, back.ready, first, dropped)
		}
		if first == all {
			return
		}
		back.expect("end")
		if got := first + int64(len(back.output)); got != all || !bytes.Equal(bytes.Trim(back.output[:len(back.output)-3], "\x00"), nil) {
			t.Errorf("since %d: came to %d of %d", since, got, all)
		}
	}
	until(t, "all was printed", func() bool {
		since := int64(1 << 40)
		req.Since = &since
		back, err := tryTerminal(t, s.Link, req)
		if err != nil {
			return false
		}
		defer back.close()
		return back.ready.Offset == all
	})
	oldest := int64(all - abi.TerminalReplayBytes)
	reopen(0, oldest, oldest)
	reopen(oldest-1, oldest, 1)
	reopen(oldest, oldest, 0)
	reopen(oldest+1, oldest+1, 0)
	reopen(all-3, all-3, 0)
	reopen(all, all, 0)
	reopen(all+7, all, 0)
	req.Since = nil
	until(t, "the terminal is free", func() bool {
		back, err := tryTerminal(t, s.Link, req)
		if err != nil {
			return false
		}
		if back.ready.Offset != oldest || back.ready.Dropped != 0 {
			t.Errorf("without an offset: %+v", back.ready)
		}
		back.enter("typed")
		back.expect("typed")
		back.say(abi.StreamInput{Type: abi.InputSignal, Signal: "TERM"})
		return true
	})
	until(t, "the id is free", func() bool {
		back, err := tryTerminal(t, s.Link, abi.TerminalRequest{ID: req.ID, Command: "echo new"})
		if err != nil {
			return false
		}
		defer back.close()
		return back.ready.PID != term.ready.PID && back.ready.Offset == 0
	})
}

// TestTerminalTakeover: whoever takes a terminal has it, and the other is told.
func TestTerminalTakeover(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	req := abi.TerminalRequest{ID: "shared", Command: "stty raw -echo; printf begin; exec cat"}
	first := openTerminal(t, s.Link, req)
	first.expect("begin")
	req.Takeover, req.Cols, req.Rows = true, 33, 11
	second := openTerminal(t, s.Link, req)
	if second.ready.PID != first.ready.PID {
		t.Errorf("ready %+v and %+v", first.ready, second.ready)
	}
	if e := first.last(); e.Type != abi.TerminalTaken {
		t.Errorf("last came %+v", e)
	}
	second.expect("begin")
	second.enter("more")
	second.expect("beginmore")
	if got := call(t, s.Link, abi.Exec, abi.ExecRequest{Command: fmt.Sprintf("stty size </proc/%d/fd/0", second.ready.PID)}); got.Stdout != "11 33\n" {
		t.Errorf("the window is %q", got.Stdout)
	}
	// One without a name can be taken too, and ends with whoever holds it.
	unnamed := openTerminal(t, s.Link, abi.TerminalRequest{Argv: []string{"cat"}})
	taker := openTerminal(t, s.Link, abi.TerminalRequest{ID: unnamed.ready.ID, Takeover: true})
	if e := unnamed.last(); e.Type != abi.TerminalTaken || taker.ready.PID != unnamed.ready.PID {
		t.Errorf("last came %+v, then %+v", e, taker.ready)
	}
	taker.enter("x")
	taker.expect("x")
	taker.close()
	until(t, "the program was ended", func() bool { return os.IsNotExist(exists(taker.ready.PID)) })
}

// TestTerminalEndsWithItsConnection: with everything that it started, in other
// sessions too, and a program that ignores SIGHUP as well.
func TestTerminalEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	told := s.init.work + "/told"
	polite := openTerminal(t, s.Link, abi.TerminalRequest{Command: "trap 'echo hup >" + told + "; exit' HUP; echo up; while :; do sleep 0.02; done"})
	polite.expect("up")
	polite.close()
	until(t, "the program was told", func() bool { b, err := os.ReadFile(told); return err == nil && string(b) == "hup\n" })
	stubborn := openTerminal(t, s.Link, abi.TerminalRequest{
		Command: "trap '' HUP; (env -i setsid sleep 921 &); (env -i sleep 922 &); sleep 923 & echo up; exec sleep 924"})
	stubborn.expect("up")
	jobs := []string{"sleep 921", "sleep 922", "sleep 923", "sleep 924"}
	for _, job := range jobs[1:] {
		until(t, job, func() bool { return alive(t, job) })
	}
	stubborn.close()
	for _, job := range jobs[1:] { // the first has nothing left that tells whose it is, once its parent is gone
		until(t, job+" was killed", func() bool { return !alive(t, job) })
	}
}

// TestTerminalShellHangsUp: a usual shell with a stopped job and one in the
// background, whose client vanishes.
func TestTerminalShellHangsUp(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	term := openTerminal(t, s.Link, abi.TerminalRequest{Env: shellEnv(s)})
	term.expect("prompt> ")
	term.enter("sleep 931 & sleep 932\r")
	until(t, "the jobs run", func() bool { return alive(t, "sleep 931") && alive(t, "sleep 932") })
	term.enter("\x1a") // Ctrl-Z
	term.enter("echo the shell\" \"goes on\r")
	term.expect("the shell goes on")
	term.close()
	until(t, "all is gone", func() bool {
		return !alive(t, "sleep 931") && !alive(t, "sleep 932") && os.IsNotExist(exists(term.ready.PID))
	})
}

// written returns how many bytes a process has written.
func written(t testing.TB, pid int) (n int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	_, after, _ := strings.Cut(string(b), "wchar: ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTerminalSlowReader: a client that does not read holds the program back,
// and loses nothing.
func TestTerminalSlowReader(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const total = 8 << 20
	term := openTerminal(t, s.Link, abi.TerminalRequest{ID: "slow", Command: fmt.Sprintf("stty raw; echo go; exec head -c %d /dev/zero", total)})
	term.expect("go\n")
	var at int64
	until(t, "the program is held back", func() bool {
		before := at
		time.Sleep(200 * time.Millisecond)
		at = written(t, term.ready.PID)
		return at > 0 && at == before
	})
	if at > total/2 {
		t.Errorf("the program wrote %d bytes that nobody read", at)
	}
	// Another connection that does not read either takes it, and gives it up.
	since := int64(0)
	taker := openTerminal(t, s.Link, abi.TerminalRequest{ID: "slow", Takeover: true, Since: &since})
	taker.close()
	until(t, "without a holder the program ends", func() bool { return os.IsNotExist(exists(term.ready.PID)) })
	if e := term.last(); e.Type != abi.TerminalTaken {
		t.Errorf("last came %+v", e)
	}
	again := openTerminal(t, s.Link, abi.TerminalRequest{Command: fmt.Sprintf("stty raw; exec head -c %d /dev/zero", total)})
	until(t, "the program is held back", func() bool {
		before := at
		time.Sleep(200 * time.Millisecond)
		at = written(t, again.ready.PID)
		return at > 0 && at == before
	})
	again.wantExit(0, "")
	if len(again.output) != total {
		t.Errorf("%d bytes came of %d", len(again.output), total)
	}
}

// TestTerminalDeafProgram: what a program does not read is held back; the
// terminal can be resized, signalled and left all the same.
func TestTerminalDeafProgram(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	req := abi.TerminalRequest{ID: "deaf", Command: "stty raw -echo; echo go; exec sleep 987"}
	term := openTerminal(t, s.Link, req)
	term.expect("go\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	sent := 0
	for ctx.Err() == nil && sent < 64<<20 {
		if err := term.Send(ctx, abi.OpcodeBinary, make([]byte, 32<<10)); err != nil {
			break
		}
		sent += 32 << 10
	}
	if sent > 16<<20 {
		t.Errorf("%d bytes were taken that nobody reads", sent)
	}
	term.close()
	var back *terminal
	until(t, "the terminal is free", func() bool {
		var err error
		back, err = tryTerminal(t, s.Link, req)
		return err == nil
	})
	back.say(abi.StreamInput{Type: abi.InputResize, Cols: 50, Rows: 20})
	back.say(abi.StreamInput{Type: abi.InputSignal, Signal: "KILL"})
	if e := back.last(); e.Signal != "SIGKILL" {
		t.Errorf("last came %+v", e)
	}
}

// TestTerminalQuota: as many terminals as are allowed, and one more when one has
// ended.
func TestTerminalQuota(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	var terms []*terminal
	for i := range abi.MaxTerminals {
		terms = append(terms, openTerminal(t, s.Link, abi.TerminalRequest{ID: fmt.Sprint(i), Argv: []string{"cat"}}))
	}
	_, err := tryTerminal(t, s.Link, abi.TerminalRequest{Argv: []string{"cat"}})
	wantCode(t, err, abi.CodeQuotaExceeded)
	_, err = tryTerminal(t, s.Link, abi.TerminalRequest{ID: "0"})
	wantCode(t, err, abi.CodeTooManyRequests)
	terms[0].enter("\x04") // Ctrl-D
	terms[0].wantExit(0, "")
	openTerminal(t, s.Link, abi.TerminalRequest{Argv: []string{"cat"}})
}

// TestTerminalEdgeRestart: a terminal with a name lives on without an edge.
func TestTerminalEdgeRestart(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	req := abi.TerminalRequest{ID: "long", Command: "stty raw -echo; printf begin; exec cat"}
	term := openTerminal(t, s.Link, req)
	unnamed := openTerminal(t, s.Link, abi.TerminalRequest{Argv: []string{"sleep", "986"}})
	term.expect("begin")
	s.Close()
	until(t, "the one without a name has ended", func() bool { return os.IsNotExist(exists(unnamed.ready.PID)) })
	next := openLink(t, s.dir)
	next.SetPeer(s.init.cmd.Process.Pid)
	back := openTerminal(t, next, req)
	back.expect("begin")
	back.enter("again")
	back.expect("beginagain")
	if back.ready.PID != term.ready.PID {
		t.Errorf("ready %+v, before %+v", back.ready, term.ready)
	}
}

// TestTerminalSession: a terminal shares its session's folder, variables and end.
func TestTerminalSession(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	call(t, s.Link, abi.CreateSession, abi.CreateSessionRequest{ID: "s", Cwd: s.init.work, Env: map[string]string{"A": "1", "TERM": "dumb", "PS1": "prompt> "}})
	_, err := tryTerminal(t, s.Link, abi.TerminalRequest{Session: "another"})
	wantCode(t, err, abi.CodeSessionNotFound)
	term := openTerminal(t, s.Link, abi.TerminalRequest{ID: "x", Session: "s", Shell: "/bin/sh", Env: map[string]string{"ENV": ""}})
	other := openTerminal(t, s.Link, abi.TerminalRequest{Shell: "/bin/sh"})
	term.enter("pwd; echo $A$TERM; sleep 985\r")
	term.expect(s.init.work + "\r\n1dumb\r\n")
	until(t, "the job runs", func() bool { return alive(t, "sleep 985") })
	if got := call(t, s.Link, abi.GetSession, abi.SessionRequest{ID: "s"}); got.Processes != 1 {
		t.Errorf("session %+v", got)
	}
	begin := time.Now()
	call(t, s.Link, abi.DeleteSession, abi.SessionRequest{ID: "s"})
	t.Logf("deleted within %v", time.Since(begin).Round(time.Millisecond))
	if e := term.last(); e.Type != abi.TerminalExit {
		t.Errorf("last came %+v", e)
	}
	if alive(t, "sleep 985") {
		t.Error("the job was left")
	}
	other.enter("echo still\" \"here\r")
	other.expect("still here")
}

// TestTerminalUser: another user's program has the terminal too.
func TestTerminalUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to be somebody else")
		}
		t.Skip("NOT RUN: needs root to be somebody else")
	}
	s := newSandbox(t)
	term := openTerminal(t, s.Link, abi.TerminalRequest{User: "65534", Command: "id -u; echo x >$(tty); echo y >/dev/tty; stat -c %u $(tty)"})
	term.wantExit(0, "")
	if got := string(term.output); got != "65534\r\nx\r\ny\r\n65534\r\n" {
		t.Errorf("printed %q", got)
	}
}

// TestTerminalShutdown: a shell, which ignores SIGTERM, does not hold up the
// sandbox's end.
func TestTerminalShutdown(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	term := openTerminal(t, s.Link, abi.TerminalRequest{Env: shellEnv(s)})
	term.expect("prompt> ")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Call(ctx, initproto.OpShutdown, abi.StopRequest{Grace: abi.Duration(time.Hour)}, nil); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// TestTerminalFlood: much that is printed takes no more memory than little.
func TestTerminalFlood(t *testing.T) {
	t.Parallel()
	total := int64(256 << 20)
	if testing.Short() || raceEnabled {
		total = 32 << 20
	}
	s := newSandbox(t)
	flood := func(total int64) int64 {
		begin := time.Now()
		term := openTerminal(t, s.Link, abi.TerminalRequest{Command: fmt.Sprintf("stty raw; exec head -c %d /dev/zero", total)})
		var got int64
		for {
			op, b, err := term.Receive(within(t))
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			if op == abi.OpcodeText {
				break
			}
			got += int64(len(b))
		}
		if got != total {
			t.Errorf("%d bytes came of %d", got, total)
		}
		t.Logf("%d MiB in %v", got>>20, time.Since(begin).Round(time.Millisecond))
		return resident(t, s.init.cmd.Process.Pid)
	}
	before := flood(1 << 20)
	after := flood(total)
	t.Logf("the init's resident memory: %d KiB after 1 MiB, %d KiB after %d MiB", before, after, total>>20)
	if after > before+16<<10 {
		t.Errorf("the init grew from %d to %d KiB", before, after)
	}
}

// resident returns a process's resident memory in KiB.
func resident(t testing.TB, pid int) (n int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
