package plugins

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

type previewFunc func(*abi.Request) bool

func (f previewFunc) NamesPreview(r *abi.Request) bool { return f(r) }

// deciding is a guest whose one step makes its decision.
func deciding(g *asm, step wasmasm.Code) []byte {
	return g.module(step, wasmasm.Drop(), wasmasm.I32(0))
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	headers := abi.AppendHeaders(nil, []abi.Header{{Name: "Set-Cookie", Value: "a"}, {Name: "set-cookie", Value: "b"}})
	options := `{"policy":{"idleTimeout":"1m","maxBytes":7},"sandbox":{"sleepAfter":1000,"env":{"A":"b"}}}`
	sandbox := abi.SandboxRef{Binding: "Sandbox", ID: "u-1", SandboxOptions: abi.SandboxOptions{
		SleepAfter: abi.Duration(time.Second), Env: map[string]string{"A": "b"}}}
	policy := abi.Policy{IdleTimeout: abi.Duration(time.Minute), MaxBytes: 7}
	for name, tt := range map[string]struct {
		args []any
		want abi.Decision
	}{
		"respond": {[]any{"respond", req(), 404, headers, "gone"}, &abi.Respond{Status: 404, Body: []byte("gone"),
			Headers: []abi.Header{{Name: "Set-Cookie", Value: "a"}, {Name: "set-cookie", Value: "b"}}}},
		"respond with nothing": {[]any{"respond", req(), 204, "", ""}, &abi.Respond{Status: 204}},
		"connect":              {[]any{"connect", req(), "Sandbox", "U-1", 8080, ""}, &abi.Connect{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "u-1"}, Port: 8080}},
		"connect with options": {[]any{"connect", req(), "Sandbox", "u-1", 8080, options}, &abi.Connect{Sandbox: sandbox, Port: 8080, Policy: policy}},
		"connect with a stream": {[]any{"connect", req(), "Sandbox", "u-1", 0, `{"wake":"never","stream":{"name":"terminal","request":{"cols":100}}}`},
			&abi.Connect{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "u-1"}, Wake: abi.WakeNever, Stream: &abi.StreamCall{Name: "terminal", Request: json.RawMessage(`{"cols":100}`)}}},
		"proxy": {[]any{"proxy", req(), "Sandbox", "u-1", 8080, options}, &abi.Proxy{Sandbox: sandbox, Port: 8080, Policy: policy}},
		"proxy to the exposure": {[]any{"proxy", req(), "Sandbox", "u-1", 0, ""},
			&abi.Proxy{Sandbox: abi.SandboxRef{Binding: "Sandbox", ID: "u-1"}}},
		"proxy to the preview": {[]any{"proxy", req(), "", "", 0, ""}, &abi.Proxy{}},
		"next":                 {[]any{"next", req()}, &abi.Next{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Services: Services{Previews: previewFunc(func(*abi.Request) bool { return true })}})
			g := newAsm()
			got := decide(t, b.load(t, deciding(g, g.call(tt.args[0].(string), tt.args[1:]...))), upgradeRequest())
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecisionsRefused(t *testing.T) {
	t.Parallel()
	block := func(name, value string) []byte {
		return abi.AppendHeaders(nil, []abi.Header{{Name: name, Value: value}})
	}
	for name, tt := range map[string]struct {
		args []any
		want abi.Errno
		code abi.Code
	}{
		"status too low":        {[]any{"respond", req(), 101, "", ""}, abi.Invalid, abi.CodeInvalidRequest},
		"status too high":       {[]any{"respond", req(), 600, "", ""}, abi.Invalid, abi.CodeInvalidRequest},
		"torn block":            {[]any{"respond", req(), 200, "\x01\x00\x00\x00", ""}, abi.Invalid, abi.CodeInvalidRequest},
		"framing header":        {[]any{"respond", req(), 200, block("content-length", "1"), ""}, abi.Invalid, abi.CodeInvalidRequest},
		"header with a newline": {[]any{"respond", req(), 200, block("X", "a\r\nb"), ""}, abi.Invalid, abi.CodeInvalidRequest},
		"header with a control": {[]any{"respond", req(), 200, block("X", "a\x7fb"), ""}, abi.Invalid, abi.CodeInvalidRequest},
		"header without a name": {[]any{"respond", req(), 200, block("", "a"), ""}, abi.Invalid, abi.CodeInvalidRequest},
		"begin with framing":    {[]any{"respond_begin", req(), 200, block("Connection", "close")}, abi.Invalid, abi.CodeInvalidRequest},
		"not an upgrade":        {[]any{"connect", req(), "Sandbox", "a", 8080, ""}, abi.Invalid, abi.CodeUpgradeRequired},
		"bad id":                {[]any{"proxy", req(), "Sandbox", "-a", 8080, ""}, abi.Invalid, abi.CodeInvalidSandboxID},
		"bad binding":           {[]any{"proxy", req(), "no binding", "a", 8080, ""}, abi.NotFound, abi.CodeUnknownBinding},
		"bad port":              {[]any{"proxy", req(), "Sandbox", "a", 80, ""}, abi.Invalid, abi.CodeInvalidPort},
		"unknown option":        {[]any{"proxy", req(), "Sandbox", "a", 8080, `{"polcy":{}}`}, abi.Invalid, abi.CodeInvalidRequest},
		"negative limit":        {[]any{"proxy", req(), "Sandbox", "a", 8080, `{"policy":{"maxBytes":-1}}`}, abi.Invalid, abi.CodeInvalidRequest},
		"proxy to a stream":     {[]any{"proxy", req(), "Sandbox", "a", 8080, `{"stream":{"name":"terminal"}}`}, abi.Invalid, abi.CodeInvalidRequest},
		"preview as a stream":   {[]any{"proxy", req(), "", "", 0, `{"stream":{"name":"terminal"}}`}, abi.Invalid, abi.CodeInvalidRequest},
		"no preview":            {[]any{"proxy", req(), "", "", 0, ""}, abi.NotFound, abi.CodeNotFound},
		"write without begin":   {[]any{"respond_write", req(), "x"}, abi.Invalid, abi.CodeInvalidRequest},
		"end without begin":     {[]any{"respond_end", req()}, abi.Invalid, abi.CodeInvalidRequest},
		"no error":              {[]any{"fail", req(), ""}, abi.Invalid, abi.CodeInvalidRequest},
		"another code":          {[]any{"fail", req(), `{"code":"MINE","message":"m"}`}, abi.Invalid, abi.CodeInvalidRequest},
		"no message":            {[]any{"fail", req(), `{"code":"NOT_FOUND","message":""}`}, abi.Invalid, abi.CodeInvalidRequest},
		"unknown field":         {[]any{"fail", req(), `{"code":"NOT_FOUND","message":"m","status":404}`}, abi.Invalid, abi.CodeInvalidRequest},
		"error too large": {[]any{"fail", req(), `{"code":"NOT_FOUND","message":"` + strings.Repeat("x", abi.MaxErrorBytes) + `"}`},
			abi.TooLarge, abi.CodeBodyTooLarge},
		"start without async": {[]any{"op_start", req(), "exec", "{}"}, abi.Unsupported, abi.CodeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			out := g.buffer(512)
			a := newBench(t, Config{}).run(t, g, newRequest(),
				g.record(tt.args[0].(string), tt.args[1:]...), g.record("last_error", req(), out))
			a.want(0, name, tt.want, 0)
			e, n := a.result(1)
			if text := string(a.bytes(out, n)); e != abi.OK || !strings.Contains(text, string(tt.code)) {
				t.Errorf("last error is %s %s, want %s", e, text, tt.code)
			}
		})
	}
}

// TestConnectStreamRefused wants everything to be refused at once that cannot be opened
// for a client.
func TestConnectStreamRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		port    int
		options string
		want    abi.Errno
		code    abi.Code
	}{
		"no port":          {0, "", abi.Invalid, abi.CodeInvalidPort},
		"port and stream":  {8080, `{"stream":{"name":"terminal"}}`, abi.Invalid, abi.CodeInvalidRequest},
		"no operation":     {0, `{"stream":{"name":"teleport"}}`, abi.CodeUnknownOperation.Errno(), abi.CodeUnknownOperation},
		"no stream":        {0, `{"stream":{"name":"exec","request":{"command":"x"}}}`, abi.Unsupported, abi.CodeUnsupported},
		"a file":           {0, `{"stream":{"name":"readFileStream","request":{"path":"/x"}}}`, abi.Unsupported, abi.CodeUnsupported},
		"unknown field":    {0, `{"stream":{"name":"terminal","request":{"columns":1}}}`, abi.Invalid, abi.CodeInvalidRequest},
		"another sandbox":  {0, `{"stream":{"name":"terminal","request":{"sandbox":{"binding":"Sandbox","id":"b"}}}}`, abi.Invalid, abi.CodeInvalidRequest},
		"unknown key":      {0, `{"stream":{"name":"terminal","options":{}}}`, abi.Invalid, abi.CodeInvalidRequest},
		"a bad id besides": {0, `{"stream":{"name":"terminal"},"sandbox":{"id":"b"}}`, abi.Invalid, abi.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newAsm()
			out := g.buffer(512)
			a := newBench(t, Config{}).run(t, g, upgradeRequest(),
				g.record("connect", req(), "Sandbox", "a", tt.port, tt.options), g.record("last_error", req(), out))
			a.want(0, name, tt.want, 0)
			e, n := a.result(1)
			if text := string(a.bytes(out, n)); e != abi.OK || !strings.Contains(text, string(tt.code)) {
				t.Errorf("last error is %s %s, want %s", e, text, tt.code)
			}
		})
	}
}

func TestOneDecision(t *testing.T) {
	t.Parallel()
	g := newAsm()
	out := g.buffer(8)
	first := g.call("respond", req(), 200, "", region{g.results, out.ptr + 8 - g.results})
	p := newBench(t, Config{}).load(t, g.module(
		// The result of the second decision is stored where the first one's body is
		// read from, which must have been copied by then.
		first, wasmasm.Drop(),
		g.record("next", req()), g.record("fail", req(), `{"code":"NOT_FOUND","message":"m"}`), g.record("respond_begin", req(), 200, ""), g.record("proxy", req(), "Sandbox", "a", 8080, ""),
		wasmasm.I32(int32(out.ptr)), wasmasm.I32(-1), wasmasm.Store(),
		g.call("log", req(), 0, region{g.results, 32}, ""), wasmasm.Drop(),
		wasmasm.I32(0)))
	if got := bodyOf(t, decide(t, p, newRequest())); strings.Trim(got, "\x00") != "" {
		t.Errorf("the body was not copied: %x", got)
	}
	g = newAsm()
	p = newBench(t, Config{}).load(t, g.module(
		g.call("next", req()), wasmasm.Drop(),
		// ALREADY is 10: anything else traps.
		g.call("next", req()), wasmasm.Code{0x42, 0x20, 0x88}, wasmasm.Wrap(), // i64.const 32; i64.shr_u
		wasmasm.I32(int32(abi.Already)), wasmasm.Equal(), wasmasm.If(nil, wasmasm.Unreachable()),
		wasmasm.I32(0)))
	if d := decide(t, p, newRequest()); abi.DecisionNumber(d) != abi.DecisionNext {
		t.Errorf("got decision %T", d)
	}
}

// TestHandleAfterItsRequest uses the handle of a request that is over from the
// next request in the same instance.
func TestHandleAfterItsRequest(t *testing.T) {
	t.Parallel()
	g := newAsm()
	old := g.Global(0)
	out := g.buffer(64)
	p := newBench(t, Config{}).load(t, g.module(
		wasmasm.GetGlobal(old), wasmasm.If(wasmasm.Do(
			g.record("req_get", wasmasm.GetGlobal(old), 1, out),
			g.record("respond", wasmasm.GetGlobal(old), 200, "", ""),
			g.record("fail", wasmasm.GetGlobal(old), `{"code":"NOT_FOUND","message":"m"}`),
			g.record("req_set", wasmasm.GetGlobal(old), 1, "PUT"),
			g.record("op", wasmasm.GetGlobal(old), "exec", "{}", out),
			g.record("req_header", wasmasm.GetGlobal(old), "Host", out),
			g.record("req_headers", wasmasm.GetGlobal(old), out),
			g.record("last_error", wasmasm.GetGlobal(old), out),
			g.record("ws_open", wasmasm.GetGlobal(old), "S", "a", 8080, ""),
			g.record("ws_recv", req(), 99, 0, out),
			g.record("ws_send", req(), 99, 1, "x"),
			g.record("ws_close", req(), 99, 1000, ""),
			g.record("plan", wasmasm.GetGlobal(old), ""),
		), nil),
		wasmasm.Get(0), wasmasm.SetGlobal(old),
		g.finish(req()), wasmasm.I32(0)))
	decide(t, p, newRequest())
	a := scriptAnswer{t, g, []byte(bodyOf(t, decide(t, p, newRequest())))}
	for i := range g.count {
		a.want(int(i), "call on a handle that is over", abi.Closed, 0)
	}
}

// TestFail decides with an error: Decide returns it, the instance lives on, and
// the plugin has not failed.
func TestFail(t *testing.T) {
	t.Parallel()
	text := `{"code":"SANDBOX_ASLEEP","message":"asleep","retryAfterMs":1500,"details":{"a":1},"suggestion":"wait"}`
	want := abi.Errorf(abi.CodeSandboxAsleep, "asleep").WithSuggestion("wait").WithDetails(map[string]int{"a": 1})
	want.RetryAfterMs = 1500
	modules := map[string]func(g *asm) []byte{
		"blocking": func(g *asm) []byte { return g.module(g.countAndFail(text), wasmasm.I32(0)) },
		"asynchronous": func(g *asm) []byte {
			return g.async(wasmasm.Do(g.countAndFail(text), wasmasm.I32(1)), nil, nil)
		},
		"asynchronous, later": func(g *asm) []byte {
			return g.async(pending(g.drop("op_start", req(), "exec", "{}")), g.countAndFail(text), nil)
		},
		"with a second decision": func(g *asm) []byte {
			return g.module(g.countAndFail(text), g.call("respond", req(), 200, "", "second"), wasmasm.Code{0x42, 0x20, 0x88}, wasmasm.Wrap(), // i64.const 32; i64.shr_u
				wasmasm.I32(int32(abi.Already)), wasmasm.Equal(), wasmasm.If(nil, wasmasm.Unreachable()), wasmasm.I32(0))
		},
	}
	for name, module := range modules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) { return []byte("{}"), nil })}})
			p := b.load(t, module(newAsm()), func(s *Spec) { s.MaxInstances = 1 })
			for range 3 {
				d, err := p.Decide(t.Context(), newRequest())
				var e *abi.Error
				if d != nil || !asError(err, &e) || !reflect.DeepEqual(e, want) {
					t.Fatalf("got %+v, %+v; want the error %+v", d, err, want)
				}
			}
			b.load(t, responding("new"))
			b.event(t, EventDrained)
			log := b.book.String()
			if strings.Contains(log, "plugin failed") || !strings.Contains(log, `msg="entry 3"`) {
				t.Errorf("want three entries into one instance, and no failure:\n%s", log)
			}
		})
	}
}

// countAndFail logs how often the instance was entered, and fails.
func (g *asm) countAndFail(text string) wasmasm.Code {
	line := g.Bytes([]byte("entry 0"))
	digit := wasmasm.Do(wasmasm.I32(int32(line+4)), wasmasm.I32(int32(line+4)), wasmasm.Load())
	return wasmasm.Do(digit, wasmasm.I32(1<<16), wasmasm.Add(), wasmasm.Store(),
		g.drop("log", req(), 0, region{line, 7}, ""), g.drop("fail", req(), text))
}
