package replay

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestReplay records a plugin that asks for everything, and decides its requests
// again with modules that differ in one thing each.
func TestReplay(t *testing.T) {
	t.Parallel()
	services := func() plugins.Services {
		return real{kv: newStore(map[string]Text{"k": Text("v")}), answer: func(name string, _ json.RawMessage) (json.RawMessage, error) {
			if name == "exists" {
				return nil, abi.Errorf(abi.CodeNotDirectory, "no folder")
			}
			return json.RawMessage(`{"stdout":"` + name + `"}`), nil
		}}.services()
	}
	// base is the plugin that is recorded, with a change.
	base := func(change func(g *guest)) []byte {
		g := newGuest()
		g.op("exists", box).do("kv", append([]any{req(), 1, "k", "", ""}, g.room()...)...)
		g.do("fetch", req(), `{"url":"https://api.example.com/x"}`, "").readFetch()
		g.do("req_body_read", req(), int(g.buf), 3).op("exec", box)
		change(g)
		return g.module()
	}
	same := func(g *guest) { g.respond(200, abi.Header{Name: "X-A", Value: "1"}) }
	file := recorded(t, base(same), Options{}, plugins.Spec{}, services(), withBody(request("/a"), "body"), request("/b"))

	for _, tt := range []struct {
		name   string
		change func(g *guest)
		want   []string // "what: was -> is", of the second request
		other  int      // not comparable
	}{
		{"the same", same, nil, 0},
		{"status", func(g *guest) { g.respond(404, abi.Header{Name: "X-A", Value: "1"}) }, []string{"status: 200 -> 404"}, 0},
		{"header", func(g *guest) { g.respond(200, abi.Header{Name: "X-B", Value: "1"}) }, []string{"header X-A: 1 -> ", "header X-B:  -> 1"}, 0},
		{"decision", func(g *guest) { g.do("next", req()) }, []string{"decision: respond 200 17 B -> next"}, 0},
		{"another call", func(g *guest) { g.op("touch", box); same(g) },
			[]string{`body: {"stdout":"exec"} -> `, `call:  -> touch {"sandbox":{"binding":"S","id":"a"}}`}, 0},
		{"a call less", func(g *guest) { g.steps = g.steps[:len(g.steps)-2]; same(g) }, []string{`body: {"stdout":"exec"} -> `, `call: exec {"sandbox":{"binding":"S","id":"a"}} -> `}, 0},
		{"more of the body", func(g *guest) {
			g.do("req_body_read", req(), int(g.buf), 100)
			g.do("req_body_read", req(), int(g.buf), 100)
			g.op("exec", box)
		}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, results := again(t, file, base(tt.change))
			if len(results) != 2 || s.incomparable() != tt.other {
				t.Fatalf("%d results: %s", len(results), s.String())
			}
			if tt.other > 0 {
				if !strings.Contains(results[0].Incomparable, "body") {
					t.Errorf("not comparable because %q", results[0].Incomparable)
				}
				return
			}
			var got []string
			for _, d := range results[1].Differences {
				got = append(got, d.What+": "+d.Was+" -> "+d.Is)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if len(tt.want) == 0 && (s.Same != 2 || s.Different != 0) {
				t.Error(s.String())
			}
		})
	}
}

// TestReplayOrder tells when a blocking module asks for the same in another order.
func TestReplayOrder(t *testing.T) {
	t.Parallel()
	services := real{answer: func(string, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{}`), nil }}.services()
	file := recorded(t, newGuest().op("start", box).op("touch", box).respond(200).module(), Options{}, plugins.Spec{}, services, request("/"))
	s, results := again(t, file, newGuest().op("touch", box).op("start", box).respond(200).module())
	if s.Different != 1 || results[0].Differences[0] != (Difference{"order of calls", "start, touch", "touch, start"}) {
		t.Errorf("got %+v", results)
	}
}

// TestReplayStreams cannot compare what is not recorded, and says why.
func TestReplayStreams(t *testing.T) {
	t.Parallel()
	module := newGuest().do("op_open", req(), "execStream", box).respond(200).module()
	file := recorded(t, module, Options{}, plugins.Spec{}, real{}.services(), request("/"))
	s, results := again(t, file, module)
	if s.incomparable() != 1 || results[0].Incomparable != missingStream {
		t.Errorf("got %+v", results)
	}
	if want := "1 request: 0 same, 0 different, 1 not comparable (1 because " + missingStream + ")"; s.String() != want {
		t.Errorf("got %q, want %q", s.String(), want)
	}
}

// TestReplayEdits compares the request that goes on.
func TestReplayEdits(t *testing.T) {
	t.Parallel()
	edit := func(value string) []byte {
		return newGuest().do("req_header_set", req(), "X-User", value).do("next", req()).module()
	}
	file := recorded(t, edit("ann"), Options{}, plugins.Spec{}, plugins.Services{}, request("/"))
	if s, _ := again(t, file, edit("ann")); s.Same != 1 {
		t.Error(s.String())
	}
	s, results := again(t, file, edit("bob"))
	if s.Different != 1 || results[0].Differences[0] != (Difference{"request's header X-User", "ann", "bob"}) {
		t.Errorf("got %+v", results)
	}
}

// TestReplayConnectedStream records a client that is given a terminal, in which a
// token is not told, and compares the stream.
func TestReplayConnectedStream(t *testing.T) {
	t.Parallel()
	terminal := func(cols string) []byte {
		return newGuest().do("connect", req(), "S", "box", 0, `{"stream":{"name":"terminal","request":{"cols":`+cols+`,"env":{"API_TOKEN":"mine-alone"}}}}`).module()
	}
	r := request("/")
	for _, h := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}} {
		r.SetHeader(h[0], h[1])
	}
	file := recorded(t, terminal("100"), Options{}, plugins.Spec{}, plugins.Services{}, r)
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "mine-alone") || !strings.Contains(string(text), `"stream":{"name":"terminal"`) {
		t.Errorf("recorded is %s, %v", text, err)
	}
	if s, results := again(t, file, terminal("100")); s.Same != 1 {
		t.Errorf("%s: %+v", s.String(), results)
	}
	s, results := again(t, file, terminal("80"))
	if s.Different != 1 || len(results[0].Differences) != 1 || results[0].Differences[0].What != "stream" {
		t.Errorf("got %+v", results)
	}
	if got := Describe(results[0].Verdict); got != "connect S/box terminal" {
		t.Errorf("described as %q", got)
	}
}

// TestReplaySettings gives the module what it was configured with.
func TestReplaySettings(t *testing.T) {
	t.Parallel()
	g := newGuest()
	module := g.do("config_get", append([]any{"greeting"}, g.room()...)...).respond(200).module()
	spec := plugins.Spec{Config: map[string]json.RawMessage{"greeting": json.RawMessage(`"hello"`)}}
	file := recorded(t, module, Options{}, spec, plugins.Services{}, request("/"))
	if s, r := again(t, file, module); s.Same != 1 {
		t.Errorf("%s: %+v", s.String(), r)
	}
}

// TestGate refuses a module that decides otherwise, under its own spec.
func TestGate(t *testing.T) {
	t.Parallel()
	file := recorded(t, newGuest().respond(200).module(), Options{}, plugins.Spec{}, plugins.Services{}, request("/a"), request("/b"))
	for _, tt := range []struct {
		name, plugin, file string
		status             int
		why                string
	}{
		{"the same", "p", file, 200, ""},
		{"another status", "p", file, 201, `it decides 2 of 2 recorded requests otherwise; the first, line 2, GET http://localhost:8787/a: status was "200", is "201"`},
		{"of nobody", "q", file, 200, `holds no request of the plugin "q"`},
		{"no file", "p", file + "x", 200, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec := plugins.Spec{Name: tt.plugin, Replay: tt.file, Secrets: map[string]string{"a": "b"}}
			trial, err := plugins.OpenTrial(t.Context(), plugins.Config{}, spec, newGuest().respond(tt.status).module())
			if err != nil {
				t.Fatal(err)
			}
			defer trial.Close()
			err = Gate(t.Context(), spec, trial)
			if tt.why == "" && err != nil || tt.why != "" && (err == nil || !strings.Contains(err.Error(), tt.why)) {
				t.Errorf("got %v, want %q", err, tt.why)
			}
		})
	}
}

// TestReplayTwoPlugins wants one of several plugins to be named.
func TestReplayTwoPlugins(t *testing.T) {
	t.Parallel()
	file := recorded(t, newGuest().respond(200).module(), Options{}, plugins.Spec{}, plugins.Services{}, request("/a"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	both := string(text) + strings.ReplaceAll(string(text), `"plugin":"p"`, `"plugin":"q"`) + "{\"half\": \n"
	_, err = Run{Open: openNone}.Do(t.Context(), strings.NewReader(both))
	if err == nil || !strings.Contains(err.Error(), `of the plugin "q", and lines before are of "p"`) {
		t.Errorf("got %v", err)
	}
}

// TestAlike lets a plugin make up what is confidential anew, and nothing else.
func TestAlike(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		was, is string
		want    bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"id=redacted:0123abcd; Path=/", "id=redacted:0123abcd; Path=/", true},
		{"id=redacted:0123abcd; Path=/", "id=new; Path=/", true},
		{"id=redacted:0123abcd; Path=/", "id=; Path=/", false},
		{"id=redacted:0123abcd; Path=/", "id=new; Path=/x", false},
		{"id=redacted:0123abcd; Path=/", "id=redacted:11111111; Path=/", false},
		{"//8080-a-redacted0123abcd.h/", "//8080-a-tok.h/", true},
		{"redacted0123abcd redacted0123abcd", "x y", true},
		{"redacted0123abcd", "", false},
	} {
		if got := alike(tt.was, tt.is); got != tt.want {
			t.Errorf("%q, %q: %v", tt.was, tt.is, got)
		}
	}
}
