package replay

import (
	"fmt"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// try runs the first case of a suite with a module.
func try(t *testing.T, module []byte, suite string) CaseResult {
	t.Helper()
	s, err := ParseSuite([]byte(suite))
	if err != nil {
		t.Fatal(err)
	}
	c := s.Prepare(s.Cases[0])
	trial, err := plugins.OpenTrial(t.Context(), plugins.Config{}, c.Spec("p"), module)
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close()
	return c.Try(t.Context(), trial)
}

// failures are what a result failed with, one a line.
func failures(r CaseResult) string {
	var lines []string
	for _, d := range r.Failures {
		lines = append(lines, fmt.Sprintf("%s: %s -> %s", d.What, d.Was, d.Is))
	}
	return strings.Join(lines, "\n")
}

// TestCases tries what may be expected, as it holds and as it does not.
func TestCases(t *testing.T) {
	t.Parallel()
	answer := func() []byte { // what exec said
		return newGuest().op("exec", `{"command":"ls","sandbox":{"binding":"S","id":"a"}}`).respond(200, abi.Header{Name: "X-A", Value: "1"}).module()
	}
	edit := func() []byte {
		return newGuest().do("req_header_set", req(), "X-User", "ann").do("next", req()).module()
	}
	connect := func() []byte {
		return newGuest().do("connect", req(), "S", "box", 8080, `{"policy":{"maxBytes":7}}`).module()
	}
	stream := func() []byte {
		return newGuest().do("connect", req(), "S", "box", 0, `{"stream":{"name":"terminal","request":{"cols":100}}}`).module()
	}
	secret := func() []byte {
		g := newGuest()
		return g.do("secret_get", append([]any{"K"}, g.room()...)...).respond(200).module()
	}
	store := func() []byte {
		g := newGuest()
		g.do("kv", append([]any{req(), 2, "n", "new", ""}, g.room()...)...)
		return g.do("kv", append([]any{req(), 1, "k", "", ""}, g.room()...)...).respond(200).module()
	}
	fetch := func() []byte {
		return newGuest().do("fetch", req(), `{"url":"https://api.example.com/x"}`, "").readFetch().respond(200).module()
	}
	says := func() []byte { return newGuest().do("log", req(), 0, "hello there", "").do("next", req()).module() }
	refuses := func() []byte {
		return newGuest().do("fail", req(), `{"code":"DENIED","message":"go away"}`).module()
	}
	const calls = `"calls":[{"name":"exec","match":{"command":"ls"},"answer":{"stdout":"x"}}],`
	for _, tt := range []struct {
		name   string
		module []byte
		suite  string // of the one case: what stands beside the request
		want   string
	}{
		{"all of an answer", answer(), calls + `"expect":{"decision":"respond","status":200,"headers":{"x-a":1,"X-B":null},"body":{"json":{"stdout":"x"}},"calls":["exec"],"fuel":{"max":100000}}`, ""},
		{"status", answer(), calls + `"expect":{"status":201}`, "status: 201 -> 200"},
		{"decision", answer(), calls + `"expect":{"decision":"connect"}`, "decision: connect -> respond"},
		{"header", answer(), calls + `"expect":{"headers":{"X-A":"2","X-C":"3"}}`, "header X-A: 2 -> 1\nheader X-C: 3 -> "},
		{"header that should not be", answer(), calls + `"expect":{"headers":{"X-A":null}}`, "header X-A: none -> 1"},
		{"body", answer(), calls + `"expect":{"body":"y"}`, `body: y -> {"stdout":"x"}`},
		{"body contains", answer(), calls + `"expect":{"body":{"contains":"z"}}`, `body: contains "z" -> {"stdout":"x"}`},
		{"body matches", answer(), calls + `"expect":{"body":{"matches":"^{.*}$"}}`, ""},
		{"body as JSON", answer(), calls + `"expect":{"body":{"json":{"stdout":"q"}}}`, `body: {"stdout":"q"} -> {"stdout":"x"}`},
		{"calls", answer(), calls + `"expect":{"calls":["exec","touch"]}`, `calls: touch -> exec {"command":"ls","sandbox":{"binding":"S","id":"a"}}`},
		{"no calls", answer(), calls + `"expect":{"calls":[]}`, `calls: none -> exec {"command":"ls","sandbox":{"binding":"S","id":"a"}}`},
		{"calls by their requests", answer(), calls + `"expect":{"calls":[{"name":"exec","match":{"command":"pwd"}}]}`,
			`calls: exec {"command":"pwd"} -> exec {"command":"ls","sandbox":{"binding":"S","id":"a"}}`},
		{"fuel", answer(), calls + `"expect":{"fuel":{"max":1}}`, "fuel"},
		{"no answer fits", answer(), `"calls":[{"name":"exec","match":{"command":"pwd"}}],"expect":{}`,
			`call:  -> exec {"command":"ls","sandbox":{"binding":"S","id":"a"}}, which no entry of calls answers`},
		{"an answer that is used up", answer(), `"calls":[{"name":"exec","times":1,"match":{"command":"pwd"}},{"name":"exec","answer":{}}],"expect":{"body":"{}"}`, ""},
		{"an error", answer(), `"calls":[{"name":"exec","error":{"code":"NOT_FOUND"}}],"expect":{"body":""}`, ""},
		{"the request that goes on", edit(), `"expect":{"decision":"next","request":{"headers":{"X-User":"ann"},"method":"GET"}}`, ""},
		{"another that goes on", edit(), `"expect":{"request":{"headers":{"X-User":"bob"},"method":"POST"}}`, "request's method: POST -> GET\nrequest's header X-User: bob -> ann"},
		{"none goes on", answer(), calls + `"expect":{"request":{"method":"GET"}}`, "request: goes on -> does not: the decision is respond"},
		{"a WebSocket", connect(), `"expect":{"decision":"connect","sandbox":"S/box","port":8080,"policy":{"maxBytes":7}}`, ""},
		{"another sandbox", connect(), `"expect":{"sandbox":"S/other","port":1,"policy":{"maxBytes":8}}`, "sandbox: S/other -> S/box\nport: 1 -> 8080\npolicy: {\"maxBytes\":8} -> {\"maxBytes\":7}"},
		{"a terminal", stream(), `"expect":{"decision":"connect","sandbox":"S/box","stream":{"name":"terminal","request":{"cols":100}}}`, ""},
		{"another terminal", stream(), `"expect":{"stream":{"name":"terminal","request":{"cols":80}}}`,
			`stream: {"name":"terminal","request":{"cols":80}} -> {"name":"terminal","request":{"cols":100}}`},
		{"a secret", secret(), `"secrets":{"K":"s3"},"expect":{"body":"s3"}`, ""},
		{"the store", store(), `"kv":{"k":"v"},"expect":{"kv":{"n":"new","k":"v"},"calls":["kv.set","kv.get"]}`, ""},
		{"another store", store(), `"kv":{"k":"v"},"expect":{"kv":{"n":"old"}}`, `kv: {"n":"old"} -> {"k":"v","n":"new"}`},
		{"fetch", fetch(), `"calls":[{"name":"fetch","match":{"url":"https://api.example.com/x"},"answer":{"status":200,"body":{"json":{"a":1}}}}],"expect":{"body":"{\"a\":1}"}`, ""},
		{"fetch that is not granted", fetch(), `"grants":{"fetch":["other.example.com"],"sandboxes":{"S":["*"]},"kv":true},"secrets":{"K":"s"},"calls":[{"name":"fetch"}],"expect":{"calls":["fetch"],"body":"x"}`, "body: x -> "},
		{"output", says(), `"expect":{"output":"hello"}`, ""},
		{"other output", says(), `"expect":{"output":["hello","bye"]}`, "output: bye -> hello there request=case"},
		{"an error that was chosen", refuses(), `"expect":{"decision":"error","error":"DENIED"}`, ""},
		{"another error", refuses(), `"expect":{"error":{"code":"DENIED","message":"stay"}}`, `error: {"code":"DENIED","message":"stay"} -> {"code":"DENIED","message":"go away","retryable":false,"started":"no"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := try(t, tt.module, `{"cases":[{`+tt.suite+`,"request":{"url":"/a","websocket":true}}]}`)
			got := failures(r)
			if tt.want == "fuel" {
				if !strings.HasPrefix(got, "fuel: at most 1 -> ") {
					t.Errorf("got %q", got)
				}
				return
			}
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s\noutput %v", got, tt.want, r.Output)
			}
		})
	}
}

// TestCaseActual writes all that can be expected, which then holds.
func TestCaseActual(t *testing.T) {
	t.Parallel()
	module := newGuest().op("exec", box).respond(201, abi.Header{Name: "X-A", Value: "1"}).module()
	r := try(t, module, `{"cases":[{"request":{"url":"/a"},"calls":[{"name":"exec","answer":{"stdout":"x"}}]}]}`)
	text, err := marshal(r.Actual)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"body":"{\"stdout\":\"x\"}","calls":["exec"],"decision":"respond","headers":{"X-A":"1"},"status":201}`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if again := try(t, module, `{"cases":[{"request":{"url":"/a"},"calls":[{"name":"exec","answer":{"stdout":"x"}}],"expect":`+want+`}]}`); len(again.Failures) > 0 {
		t.Error(failures(again))
	}
}

// TestSuiteMistakes names what is wrong with a file of cases.
func TestSuiteMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                "it has no cases",
		`{"cases":[{"request":{}}]}`:        "case 1: its request has no url",
		`{"cases":[{"reqest":{}}]}`:         `unknown field "reqest"`,
		`{"cases":[{"request":{"url":1}}]}`: "cases.request.url: want a string, not number",
		`{"cases":[{"name":"a","request":{"url":"/"},"calls":[{"name":"exe"}]}]}`:                             `a: calls: there is no operation "exe"`,
		`{"cases":[{"request":{"url":"/"},"calls":[{"name":"exec","error":{"code":"NO"}}]}]}`:                 `there is no error "NO"`,
		`{"cases":[{"request":{"url":"/"},"calls":[{"name":"exec","answer":{},"error":{"code":"DENIED"}}]}]}`: "has both an answer and an error",
		`{"cases":[{"request":{"url":"/"},"expect":{"stats":1}}]}`:                                            `there is no key "stats"`,
		`{"cases":[{"request":{"url":"/"},"expect":{"body":{"matches":"("}}}]}`:                               "expect: body: error parsing regexp",
		`{"cases":[{"request":{"url":"/"},"expect":{"headers":[1]}}]}`:                                        "want an object of names and values",
		`{"cases":[{"request":{"url":"/","body":{"bas64":""}}}]}`:                                             `want a string, {"base64": "..."} or {"json": value}`,
		`{"cases":[{"request":{"url":"/","headers":{"A":{}}}}]}`:                                              `the value of "A" is neither`,
		`{"calls":[{"name":"kv.get"}],"cases":[{"request":{"url":"/"}}]}`:                                     "kv has its own key",
	} {
		if _, err := ParseSuite([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// FuzzSuite reads anything; what it takes can be prepared and asked for.
func FuzzSuite(f *testing.F) {
	f.Add([]byte(`{"config":{"a":1},"cases":[{"request":{"url":"/x?y","websocket":true,"headers":{"A":["b",2]},"body":{"json":{}}},"expect":{"body":"x","fuel":{"max":1}}}]}`))
	f.Add([]byte(`{"cases":[{"request":{"url":"http://[::1]/","host":"h"},"grants":{"ports":[8080]},"kv":{"k":{"base64":"/w=="}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSuite(text)
		if err != nil {
			return
		}
		for _, c := range s.Cases {
			c = s.Prepare(c)
			c.Spec("p")
			if r := c.NewRequest(); r.Method == "" || r.Path == "" {
				t.Errorf("%s: request %+v", text, r)
			}
			(&actual{}).check(c.Expect)
		}
	})
}
