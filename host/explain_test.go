package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

const explainToken = "a secret of the edge's"

// explainKey is under what the fake of plugins.WithExplanation keeps its explanation.
type explainKey struct{}

func explaining(s *Server) *Server {
	s.ExplainToken = func() string { return explainToken }
	s.Explain = func(ctx context.Context, e *abi.Explanation) context.Context {
		return context.WithValue(ctx, explainKey{}, e)
	}
	return s
}

// explained reads the header of an answer.
func explained(t *testing.T, a answer) []abi.Explanation {
	t.Helper()
	values := a.Header.Values(explainHeader)
	if len(values) != 1 {
		t.Fatalf("%d headers %s", len(values), explainHeader)
	}
	var list []abi.Explanation
	if err := json.Unmarshal([]byte(values[0]), &list); err != nil {
		t.Fatalf("%v: %s", err, values[0])
	}
	return list
}

// explainedServer has one address for each way to answer.
func explainedServer(t *testing.T, seen chan<- string) *running {
	box := newBox("a", map[int]string{8080: backend(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- fmt.Sprint(r.Header)
		echoSocket(w, r)
	})})
	bs := boxes(box)
	bs.labels = map[string]sandboxmgr.Exposure{"8080-a-tok": {Ref: ref("a"), Port: 8080}}
	knows := func(d abi.Decision, err error) Decider { // a plugin that explains itself
		return decide(func(ctx context.Context, req *abi.Request) (abi.Decision, error) {
			seen <- fmt.Sprint(req.Headers)
			if e, ok := ctx.Value(explainKey{}).(*abi.Explanation); ok {
				*e = abi.Explanation{Plugin: "knows", Fuel: 7, Verdict: abi.VerdictOf(d, err)}
			}
			return d, err
		})
	}
	stream := decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		return &abi.Respond{Status: 200, Stream: io.NopCloser(strings.NewReader("pieces"))}, nil
	})
	route := func(path string, chain ...Plugin) Route { return Route{Path: path, Chain: chain} }
	next := Plugin{Name: "next", Decider: always(&abi.Next{})}
	return start(t, explaining(&Server{boxes: bs}), []Route{
		route("/respond", next, Plugin{Name: "knows", Decider: knows(text(200, "body"), nil)}),
		route("/stream", Plugin{Name: "stream", Decider: stream}),
		route("/error", Plugin{Name: "knows", Decider: knows(nil, abi.Errorf(abi.CodeDenied, "not you"))}),
		route("/proxy", Plugin{Name: "knows", Decider: knows(&abi.Proxy{Sandbox: ref("a"), Port: 8080}, nil)}),
		route("/ws", Plugin{Name: "knows", Decider: knows(&abi.Connect{Sandbox: ref("a"), Port: 8080}, nil)}),
		route("/none", next),
	})
}

// TestExplain asks for each kind of answer how it came about, and is told in that
// answer; nobody behind the gate sees the token.
func TestExplain(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100)
	r := explainedServer(t, seen)
	for _, tt := range []struct{ host, target, extra, want string }{
		{"app", "/respond", "", "next:next knows:respond"},
		{"app", "/stream", "", "stream:respond"},
		{"app", "/error", "", "knows:error"},
		{"app", "/proxy", "", "knows:proxy"},
		{"app", "/ws", handshake, "knows:connect"},
		{"app", "/none", "", "next:next"},
		{"app", "/healthz", "", ":edge"},
		{"8080-a-tok.localhost", "/", "", ":preview"},
		{"8080-a-bad.localhost", "/", "", ":preview"},
		{"app", "/nowhere", "", ":edge"},
	} {
		c := r.dial(t)
		c.send("GET " + tt.target + " HTTP/1.1\r\nHost: " + tt.host + "\r\n" + tt.extra + "x-edge-EXPLAIN: " + explainToken + "\r\n\r\n")
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.target, err)
		}
		resp.Body.Close()
		var got []string
		for _, e := range explained(t, answer{Response: resp}) {
			got = append(got, e.Plugin+":"+e.Verdict.Decision)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s%s: told %v, want %s", tt.host, tt.target, got, tt.want)
		}
	}
	for len(seen) > 0 {
		if got := <-seen; strings.Contains(got, explainToken) || strings.Contains(strings.ToLower(got), "explain") {
			t.Errorf("behind the gate one sees %s", got)
		}
	}
}

// TestExplainNeedsTheToken asks with every other value: the answer is as if nobody
// had asked, and the header still goes no further.
func TestExplainNeedsTheToken(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100)
	r := explainedServer(t, seen)
	for _, extra := range []string{
		"", explainHeader + ": wrong\r\n", explainHeader + ":\r\n", explainHeader + ": " + explainToken + "x\r\n",
		explainHeader + ": " + explainToken + "\r\n" + explainHeader + ": " + explainToken + "\r\n",
		explainHeader + ": wrong\r\n" + explainHeader + ": " + explainToken + "\r\n",
	} {
		got := r.get(t, "app", "/proxy", extra)
		if got.StatusCode != 200 || len(got.Header.Values(explainHeader)) != 0 {
			t.Errorf("%q: %d, %s %q", extra, got.StatusCode, explainHeader, got.Header.Values(explainHeader))
		}
		for range 2 { // the plugin and the backend
			if s := <-seen; strings.Contains(strings.ToLower(s), "explain") {
				t.Errorf("%q: behind the gate one sees %s", extra, s)
			}
		}
	}
	for name, token := range map[string]func() string{"no function": nil, "no token": func() string { return "" }} {
		s := &Server{ExplainToken: token}
		if s.mayBeTold("") != nil || s.mayBeTold("x") != nil {
			t.Errorf("%s: somebody is told", name)
		}
	}
}

// TestExplanationsAreBounded makes explanations of all sizes: the header is JSON in
// ASCII, within its bound, and still says what was decided.
func TestExplanationsAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü𝄞\x7f", 2000)
	for name, e := range map[string]abi.Explanation{
		"headers": {Plugin: "p", Verdict: abi.VerdictOf(&abi.Respond{Status: 200, Headers: []abi.Header{{Name: "A", Value: long}}}, nil)},
		"plan":    {Plugin: "p", Verdict: abi.VerdictOf(&abi.Plan{Then: "proxy", Files: []abi.PlanFile{{Content: long}}}, nil)},
		"process": {Plugin: "p", Verdict: abi.VerdictOf(&abi.Plan{Then: "proxy", Process: &abi.PlanProcess{Command: long}}, nil)},
		"error":   {Plugin: "p", Verdict: abi.VerdictOf(nil, abi.Errorf(abi.CodeDenied, "no").WithDetails(long))},
		"calls":   {Plugin: "p", Calls: make([]abi.ExplainedCall, 2000), Verdict: abi.VerdictOf(&abi.Next{}, nil)},
		"small":   {Plugin: "ü𝄞", Verdict: abi.VerdictOf(&abi.Next{}, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := (&told{explanations: []abi.Explanation{e, e}}).header()
			if len(text) > maxExplained || !abi.ValidValue(text) || strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }) {
				t.Fatalf("%d bytes: %.200q", len(text), text)
			}
			var list []abi.Explanation
			if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 2 {
				t.Fatalf("%v: %.200s", err, text)
			}
			if list[1].Plugin != e.Plugin || list[1].Verdict.Decision != e.Verdict.Decision {
				t.Errorf("told %+v", list[1])
			}
		})
	}
	many := &told{}
	for range 500 {
		many.add(abi.Explanation{Plugin: "p", Verdict: abi.Verdict{Decision: "next"}})
	}
	if text := many.header(); len(text) > maxExplained || text[0] != '[' {
		t.Errorf("500 plugins: %d bytes", len(text))
	}
}
