package sandboxmgr

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edge/abi"
)

// TestEveryRowHasItsMethod holds the methods to the table: (ctx, *Req) (*Resp,
// error), or (Socket, error) of a stream, by the row's name.
func TestEveryRowHasItsMethod(t *testing.T) {
	t.Parallel()
	handle := reflect.TypeFor[*Sandbox]()
	for _, row := range abi.Operations {
		name := strings.ToUpper(row.Name()[:1]) + row.Name()[1:]
		m, ok := handle.MethodByName(name)
		if !ok {
			t.Errorf("no method for %s", row.Name())
			continue
		}
		answer := reflect.TypeOf(row.NewResponse())
		if row.Kind() != abi.KindCall {
			answer = reflect.TypeFor[abi.Socket]()
		}
		want := reflect.FuncOf(
			[]reflect.Type{handle, reflect.TypeFor[context.Context](), reflect.TypeOf(row.NewRequest())},
			[]reflect.Type{answer, reflect.TypeFor[error]()}, false)
		if m.Type != want {
			t.Errorf("%s is %v, want %v", name, m.Type, want)
		}
	}
}

func TestSandboxChecksItsName(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	long := strings.Repeat("a", abi.MaxIDLength)
	opts := func(o abi.SandboxOptions) abi.SandboxRef {
		return abi.SandboxRef{Binding: "B", ID: "s", SandboxOptions: o}
	}
	tests := []struct {
		name string
		ref  abi.SandboxRef
		code abi.Code // empty: fine
	}{
		{"good", abi.SandboxRef{Binding: "B", ID: "a-1"}, ""},
		{"upper case", abi.SandboxRef{Binding: "B", ID: "ABC"}, ""},
		{"longest", abi.SandboxRef{Binding: "B", ID: long}, ""},
		{"too long", abi.SandboxRef{Binding: "B", ID: long + "a"}, abi.CodeInvalidSandboxID},
		{"empty", abi.SandboxRef{Binding: "B"}, abi.CodeInvalidSandboxID},
		{"reserved", abi.SandboxRef{Binding: "B", ID: "admin"}, abi.CodeInvalidSandboxID},
		{"a path", abi.SandboxRef{Binding: "B", ID: "../x"}, abi.CodeInvalidSandboxID},
		{"no binding", abi.SandboxRef{ID: "s"}, abi.CodeUnknownBinding},
		{"unknown binding", abi.SandboxRef{Binding: "b", ID: "s"}, abi.CodeUnknownBinding},
		{"env", opts(abi.SandboxOptions{Env: map[string]string{"A": "1"}}), ""},
		{"env without a name", opts(abi.SandboxOptions{Env: map[string]string{"": "1"}}), abi.CodeInvalidRequest},
		{"env of the edge", opts(abi.SandboxOptions{Env: map[string]string{"EDGE_INIT_TOKEN": "1"}}), abi.CodeInvalidRequest},
		{"env with NUL", opts(abi.SandboxOptions{Env: map[string]string{"A": "\x00"}}), abi.CodeInvalidRequest},
		{"label", opts(abi.SandboxOptions{Labels: map[string]string{"a": "1"}}), ""},
		{"label of the edge", opts(abi.SandboxOptions{Labels: map[string]string{"edge.owner": "1"}}), abi.CodeInvalidRequest},
	}
	for _, tt := range tests {
		s, err := e.Sandbox(tt.ref)
		switch {
		case tt.code != "":
			wantCode(t, err, tt.code)
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case s.Ref().ID != strings.ToLower(tt.ref.ID):
			t.Errorf("%s: ref %+v", tt.name, s.Ref())
		}
	}
	if starts, _ := e.w.count(); starts != 0 || len(e.units) != 0 {
		t.Error("a handle started something")
	}
}

// op calls the named row with a JSON request.
func op(ctx context.Context, s *Sandbox, name, request string) (any, error) {
	row := abi.Lookup(name)
	req := row.NewRequest()
	if err := json.Unmarshal([]byte(request), req); err != nil {
		return nil, err
	}
	m := reflect.ValueOf(s).MethodByName(strings.ToUpper(name[:1]) + name[1:])
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(req)})
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}

func TestRequestsAreChecked(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), func(c *Config) { c.ReservedPorts = []int{3000} })
	long := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		op, request string
		code        abi.Code // empty: fine
	}{
		{"exec", `{"command":"ls"}`, ""},
		{"exec", `{"argv":["ls"]}`, ""},
		{"exec", `{}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","argv":["ls"]}`, abi.CodeInvalidRequest},
		{"exec", `{"argv":[""]}`, abi.CodeInvalidRequest},
		{"exec", `{"argv":["a\u0000"]}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"a\u0000"}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","cwd":"\u0000"}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","env":{"A=B":""}}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","encoding":"base64"}`, ""},
		{"exec", `{"command":"ls","encoding":"latin1"}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","maxOutput":16777216}`, ""},
		{"exec", `{"command":"ls","maxOutput":16777217}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","maxOutput":-1}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","timeout":"24h"}`, ""},
		{"exec", `{"command":"ls","timeout":"25h"}`, abi.CodeInvalidRequest},
		{"exec", `{"command":"ls","stdin":"a\u0000b"}`, ""},
		{"startProcess", `{"command":"x","processId":"` + long(128) + `"}`, ""},
		{"startProcess", `{"command":"x","processId":"` + long(129) + `"}`, abi.CodeInvalidRequest},
		{"startProcess", `{"command":"x","processId":"` + strings.Repeat("ü", 128) + `"}`, ""},
		{"startProcess", `{"command":"x","processId":"a\n"}`, abi.CodeInvalidRequest},
		{"startProcess", `{"command":"x","ifRunning":"reuse"}`, ""},
		{"startProcess", `{"command":"x","ifRunning":"maybe"}`, abi.CodeInvalidRequest},
		{"startProcess", `{}`, abi.CodeInvalidRequest},
		{"getProcess", `{}`, abi.CodeInvalidRequest},
		{"getProcess", `{"processId":"nobody"}`, abi.CodeProcessNotFound},
		{"killProcess", `{"processId":"p","signal":9}`, ""},
		{"killProcess", `{"processId":"p","signal":"SIGRTMIN+1"}`, ""},
		{"killProcess", `{"processId":"p","signal":65}`, abi.CodeInvalidRequest},
		{"killProcess", `{"processId":"p","signal":0}`, abi.CodeInvalidRequest},
		{"killProcess", `{"processId":"p","signal":"TERM; rm"}`, abi.CodeInvalidRequest},
		{"killProcess", `{"processId":"p","grace":"11m"}`, abi.CodeInvalidRequest},
		{"killProcess", `{}`, abi.CodeInvalidRequest},
		{"killAllProcesses", `{"signal":"KILL"}`, ""},
		{"killAllProcesses", `{"signal":-1}`, abi.CodeInvalidRequest},
		{"stop", `{"signal":"X Y"}`, abi.CodeInvalidRequest},
		{"stop", `{"grace":"11m"}`, abi.CodeInvalidRequest},
		{"getLogs", `{"processId":"p","tail":-1}`, abi.CodeInvalidRequest},
		{"getLogs", `{}`, abi.CodeInvalidRequest},
		{"waitForLog", `{"processId":"p"}`, abi.CodeInvalidRequest},
		{"waitForLog", `{"processId":"p","pattern":"` + long(4097) + `"}`, abi.CodeInvalidRequest},
		{"waitForLog", `{"processId":"p","pattern":"up"}`, ""},
		{"waitForExit", `{}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":1023}`, abi.CodeInvalidPort},
		{"waitForPort", `{"port":3000}`, abi.CodeInvalidPort},
		{"waitForPort", `{"port":8080,"mode":"udp"}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"mode":"tcp","path":"/"}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"path":"x"}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"path":"/a b"}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"path":"/\r\nX: y"}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"status":{"min":300,"max":200}}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"status":600}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"interval":"2m"}`, abi.CodeInvalidRequest},
		{"waitForPort", `{"port":8080,"processId":"nobody"}`, abi.CodeProcessNotFound},
		{"writeFile", `{"path":"x","content":"y","mode":"0644"}`, ""},
		{"writeFile", `{"path":"","content":"y"}`, abi.CodeInvalidRequest},
		{"writeFile", `{"path":"a\u0000","content":"y"}`, abi.CodeInvalidRequest},
		{"writeFile", `{"path":"` + long(4096) + `"}`, ""},
		{"writeFile", `{"path":"` + long(4097) + `"}`, abi.CodeInvalidRequest},
		{"writeFile", `{"path":"x","mode":"0888"}`, abi.CodeInvalidRequest},
		{"writeFile", `{"path":"x","mode":"4755"}`, abi.CodeInvalidRequest},
		{"writeFile", `{"path":"x","mode":"10000"}`, abi.CodeInvalidRequest},
		{"writeFile", `{"path":"x","encoding":"hex"}`, abi.CodeInvalidRequest},
		{"readFile", `{"path":""}`, abi.CodeInvalidRequest},
		{"readFile", `{"path":"x","encoding":"hex"}`, abi.CodeInvalidRequest},
		{"readFile", `{"path":"x"}`, ""},
	}
	for _, tt := range tests {
		_, err := op(t.Context(), e.sandbox("s"), tt.op, tt.request)
		name := tt.op + " " + tt.request[:min(60, len(tt.request))]
		if tt.code == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got := abi.AsError(err)
		if got == nil || got.Code != tt.code || got.Operation != tt.op {
			t.Errorf("%s: %+v, want %s", name, got, tt.code)
		}
	}
}

func TestLargestFile(t *testing.T) {
	t.Parallel()
	largest := strings.Repeat("x", abi.MaxFileResponse)
	encoded := strings.Repeat("eHh4", abi.MaxFileResponse/3) // three bytes in four letters
	if abi.MaxFileResponse%3 != 2 {
		t.Fatal("the padding below is for a remainder of two bytes")
	}
	tests := []struct {
		name string
		req  abi.WriteFileRequest
		code abi.Code // empty: fine
	}{
		{"text", abi.WriteFileRequest{Path: "x", Content: largest}, ""},
		{"text, one more", abi.WriteFileRequest{Path: "x", Content: largest + "x"}, abi.CodeFileTooLarge},
		{"base64", abi.WriteFileRequest{Path: "x", Content: encoded + "eHg=", Encoding: "base64"}, ""},
		{"base64, one more", abi.WriteFileRequest{Path: "x", Content: encoded + "eHh4", Encoding: "base64"}, abi.CodeFileTooLarge},
	}
	for _, tt := range tests {
		err := checkWriteFile(&tt.req)
		if tt.code == "" && err != nil || tt.code != "" && !errors.Is(err, tt.code.Err()) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestRefusedRequestStartsNothing(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	_, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{})
	wantCode(t, err, abi.CodeInvalidRequest)
	if starts, _ := e.w.count(); starts != 0 {
		t.Error("it was started")
	}
}

func TestExecTimeouts(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), func(c *Config) {
		b := c.Bindings["B"]
		b.ExecTimeout = 7 * time.Minute
		c.Bindings["B"] = b
	})
	for _, tt := range []struct{ asked, want time.Duration }{{0, 7 * time.Minute}, {time.Second, time.Second}} {
		resp, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x", Timeout: abi.Duration(tt.asked)})
		if err != nil || resp.Duration.D() != tt.want { // the fake answers with the timeout it was given
			t.Errorf("exec = %+v, %v; want a timeout of %s", resp, err, tt.want)
		}
	}
}

func TestHostKeepsTheDeadline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		op, request string
		code        abi.Code
	}{
		{"exec", `{"command":"x","timeout":1}`, abi.CodeTimeout},
		{"waitForExit", `{"processId":"p","timeout":1}`, abi.CodeTimeout},
		{"waitForLog", `{"processId":"p","pattern":"x","timeout":1}`, abi.CodeProcessReadyTimeout},
		{"waitForPort", `{"port":8080,"processId":"p","timeout":1}`, abi.CodeTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.op, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := newEdge(t, w, newMemory(), nil)
			_, m, _ := e.start("s")
			w.set(func() {
				silence := func(*machine, json.RawMessage) (any, error) { <-m.ended; return nil, errLinkLost }
				w.handle[tt.op], w.handle["getProcess"] = silence, silence
			})
			// Sooner than any other bound ends the call.
			ctx, cancel := context.WithTimeout(t.Context(), quickTimeout/2)
			defer cancel()
			_, err := op(ctx, e.sandbox("s"), tt.op, tt.request)
			if ctx.Err() != nil {
				t.Fatal("the deadline of the request was not kept")
			}
			got := wantCode(t, err, tt.code)
			if got.Started == abi.StartedNo || got.Operation != tt.op {
				t.Errorf("error %+v", got)
			}
			m.end(0, false)
		})
	}
}

func TestCallersOwnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	s, m, _ := e.start("s")
	w.set(func() {
		w.handle["exec"] = func(*machine, json.RawMessage) (any, error) { <-m.ended; return nil, errLinkLost }
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := s.Exec(ctx, &abi.ExecRequest{Command: "x"})
	wantCode(t, err, abi.CodeTimeout)
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err = s.Exec(ctx, &abi.ExecRequest{Command: "x"})
	wantCode(t, err, abi.CodeCanceled)
	m.end(0, false)
}

func TestCallThatLosesItsSandboxIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // how it ended is waited for no longer than exitWait
		w := newWorld(t)
		e := newEdge(t, w, newMemory(), nil)
		s, _, _ := e.start("s")
		calls := 0
		w.set(func() {
			w.handle["exec"] = func(m *machine, _ json.RawMessage) (any, error) { calls++; m.end(137, true); return nil, errLinkLost }
		})
		_, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
		got := wantCode(t, err, abi.CodeSandboxExited)
		if got.Started != abi.StartedMaybe || !strings.Contains(string(got.Details), `"oomKilled":true`) || calls != 1 {
			t.Errorf("error %+v, details %s, %d calls", got, got.Details, calls)
		}
		w.set(func() { delete(w.handle, "exec") })
		if _, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"}); err != nil {
			t.Errorf("the next use: %v", err)
		}
		if st, err := s.GetState(t.Context(), &abi.Empty{}); err != nil || st.Generation != 2 {
			t.Errorf("state %+v, %v", st, err)
		}
	})
}

// TestCallBeforeTheEndIsKnown has an engine tell late that a machine ended: a
// call made meanwhile was seen by nobody and goes to the next generation.
func TestCallBeforeTheEndIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := make(chan struct{})
	w.onWait = func() error { <-known; return nil }
	e := newEdge(t, w, newMemory(), nil)
	s, m, _ := e.start("s")
	m.end(137, false)
	done := make(chan error, 1)
	go func() {
		_, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
		done <- err
	}()
	eventually(t, "the call finds no init", func() bool { return w.unsent.Load() == 1 })
	close(known)
	if err := <-done; err != nil {
		t.Errorf("the call: %v", err)
	}
	if st, err := s.GetState(t.Context(), &abi.Empty{}); err != nil || st.Generation != 2 {
		t.Errorf("state %+v, %v", st, err)
	}
}

func TestInitsErrorsAreNotTrusted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), nil)
	var code abi.Code
	w.handle["readFile"] = func(*machine, json.RawMessage) (any, error) { return nil, abi.Errorf(code, "text") }
	for _, c := range abi.Codes() {
		w.set(func() { code = c })
		_, err := e.sandbox("s").ReadFile(t.Context(), &abi.ReadFileRequest{Path: "x"})
		want := c
		switch c {
		case abi.CodeDenied, abi.CodeUnknownBinding, abi.CodeRuntimeUnavailable, abi.CodeInvalidToken, abi.CodePortNotListening, abi.CodeSandboxLost, abi.CodePluginFailed:
			want = abi.CodeInternal
		case abi.CodeFileNotFound, abi.CodeInvalidRequest, abi.CodeTimeout:
		default:
			continue
		}
		wantCode(t, err, want)
	}
}

// TestOlderInit asks an init for what it was built without.
func TestOlderInit(t *testing.T) {
	t.Parallel()
	s, _, _ := newEdge(t, newWorld(t), newMemory(), nil).start("s")
	_, err := s.Checkout(t.Context(), &abi.CheckoutRequest{URL: "https://example.com/x.git"})
	got := wantCode(t, err, abi.CodeUnsupported)
	if got.Operation != "checkout" || !strings.Contains(got.Message, "earlier edge") || got.Suggestion == "" {
		t.Errorf("got %+v", got)
	}
}

func TestBrokenInit(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newWorld(t), newMemory(), nil)
	s, _, _ := e.start("s")
	u := e.acquire(key{"B", "s"})
	u.current.init.(*link).broken.Store(true)
	e.release(u)
	_, err := s.Exec(t.Context(), &abi.ExecRequest{Command: "x"})
	if got := wantCode(t, err, abi.CodeSandboxExited); got.Retryable || got.Suggestion == "" || got.Started != abi.StartedNo {
		t.Errorf("error %+v", got)
	}
	if _, err := s.Destroy(t.Context(), &abi.Empty{}); err != nil {
		t.Errorf("destroy: %v", err)
	}
}

func TestSharedStartErrorIsEachCallersOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which knows when both wait
		w := newWorld(t)
		arrived, proceed := make(chan struct{}), make(chan struct{})
		w.onStart = func(context.Context, MachineSpec) error { close(arrived); <-proceed; return ErrNoImage }
		e := newEdge(t, w, newMemory(), nil)
		errs := make(chan error, 2)
		go func() { _, err := e.sandbox("s").Exec(t.Context(), &abi.ExecRequest{Command: "x"}); errs <- err }()
		<-arrived
		go func() { _, err := e.sandbox("s").ListProcesses(t.Context(), &abi.Empty{}); errs <- err }()
		synctest.Wait()
		close(proceed)
		a, b := wantCode(t, <-errs, abi.CodeImageNotFound), wantCode(t, <-errs, abi.CodeImageNotFound)
		if a.Operation == b.Operation {
			t.Errorf("both say %s", a.Operation)
		}
	})
}

func TestFollowOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := newEdge(t, w, newMemory(), func(c *Config) { c.FollowOutput = true })
	s, m, _ := e.start("s")
	if _, err := s.StartProcess(t.Context(), &abi.StartProcessRequest{ProcessID: "p", Command: "run"}); err != nil {
		t.Fatal(err)
	}
	m.print("p", "one\nhal", "oops\r\n")
	has := func(kind EventKind, text string) func() bool {
		return func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			for _, ev := range e.events {
				if ev.Kind == kind && ev.Text == text && ev.Ref.ID == "s" && ev.Generation == 1 {
					return true
				}
			}
			return false
		}
	}
	eventually(t, "start", has(EventProcessStarted, "p: run"))
	eventually(t, "a line", has(EventOutput, "p: one"))
	eventually(t, "an error line", has(EventOutput, "p: oops"))
	m.print("p", "f", "")
	m.exitProcess("p", 3)
	eventually(t, "the rest", has(EventOutput, "p: half"))
	eventually(t, "the exit", has(EventProcessExited, "p: failed, exit code 3"))

	// The fake's process began at the zero time: it was there before.
	reuse := &abi.StartProcessRequest{ProcessID: "p", Command: "run", IfRunning: abi.IfRunningReuse}
	if _, err := s.StartProcess(t.Context(), reuse); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	starts := 0
	for _, ev := range e.events {
		if ev.Kind == EventProcessStarted {
			starts++
		}
	}
	if starts != 1 {
		t.Errorf("%d starts were told of, want 1: reusing a process starts none", starts)
	}
}
