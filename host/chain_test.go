package host

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

// chosen is an error that a plugin decided to answer with.
type chosen struct{ e *abi.Error }

func (c chosen) Error() string { return c.e.Error() }
func (c chosen) Unwrap() error { return c.e }
func (chosen) Chosen() bool    { return true }

// failing edits all that it can of a request and then fails.
func failing(err error) Decider {
	return decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		req.Method, req.Path, req.Query, req.HasQuery = "DELETE", "/broken", "broken", true
		req.DelHeader("X-First")
		req.SetHeader("X-Broken", "1")
		return nil, err
	})
}

// telling answers with what it sees of the request.
func telling() Decider {
	return decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		var b strings.Builder
		b.WriteString(req.Method + " " + req.Target())
		for _, h := range req.Headers {
			if strings.HasPrefix(h.Name, "X-") {
				b.WriteString(" " + h.Name + "=" + h.Value)
			}
		}
		return text(200, b.String()), nil
	})
}

func TestOnFailure(t *testing.T) {
	t.Parallel()
	trapped := abi.Errorf(abi.CodePluginFailed, "plugin %q failed; the edge's log has the details", "p")
	late := abi.Errorf(abi.CodeTimeout, "plugin %q did not answer within its deadline of 1s", "p")
	busy := abi.Errorf(abi.CodePluginOverloaded, "plugin %q is busy with other requests", "p")
	open, own := OnFailure{Open: true}, OnFailure{Status: 418}
	for _, tt := range []struct {
		name   string
		err    error
		on     OnFailure
		status int
		body   string
	}{
		{"trap, closed", trapped, OnFailure{}, 500, "PLUGIN_FAILED"},
		{"deadline, closed", late, OnFailure{}, 504, "TIMEOUT"},
		{"overload, closed", busy, OnFailure{}, 503, "PLUGIN_OVERLOADED"},
		{"trap, own status", trapped, own, 418, "PLUGIN_FAILED"},
		{"deadline, own status", late, own, 418, "TIMEOUT"},
		{"overload, own status", busy, own, 418, "PLUGIN_OVERLOADED"},
		{"trap, open", trapped, open, 200, "GET /a?b X-First=1"},
		{"deadline, open", late, open, 200, "GET /a?b X-First=1"},
		{"overload, open", busy, open, 200, "GET /a?b X-First=1"},
		{"own error of the code, open", chosen{late}, open, 504, "TIMEOUT"},
		{"own error of the code, own status", chosen{trapped}, own, 500, "PLUGIN_FAILED"},
		{"another error, open", abi.Errorf(abi.CodeDenied, "not you"), open, 403, "DENIED"},
		{"another error, own status", abi.Errorf(abi.CodeDenied, "not you"), own, 403, "DENIED"},
		{"internal, closed", errors.New("secret of the inside"), OnFailure{}, 500, "INTERNAL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &Server{}, []Route{{Chain: []Plugin{{Name: "p", Decider: failing(tt.err), OnFailure: tt.on}, {Name: "q", Decider: telling()}}}})
			got := r.get(t, "a", "/a?b", "X-First: 1\r\n")
			if got.StatusCode != tt.status || !strings.Contains(got.body, tt.body) {
				t.Errorf("answered %d %s, want %d with %s", got.StatusCode, got.body, tt.status, tt.body)
			}
			if tt.status != 200 && got.Header.Get("X-Request-Id") == "" {
				t.Error("the answer has no X-Request-Id")
			}
			for _, inside := range []string{"secret", "broken", "wasm", "goroutine"} {
				if strings.Contains(got.body, inside) {
					t.Errorf("the client is told %q", got.body)
				}
			}
		})
	}
}

// TestPanicIsAFailure has a decider panic in front of one that answers.
func TestPanicIsAFailure(t *testing.T) {
	t.Parallel()
	broken := decide(func(context.Context, *abi.Request) (abi.Decision, error) { panic("secret") })
	r := start(t, &Server{}, []Route{
		{Path: "/open", Chain: []Plugin{{Name: "p", Decider: broken, OnFailure: OnFailure{Open: true}}, {Name: "q", Decider: telling()}}},
		{Path: "/*", Chain: []Plugin{{Name: "p", Decider: broken, OnFailure: OnFailure{Status: 502}}}},
	})
	if got := r.get(t, "a", "/open", ""); got.StatusCode != 200 {
		t.Errorf("open: %d %s", got.StatusCode, got.body)
	}
	if got := r.get(t, "a", "/", ""); got.StatusCode != 502 || strings.Contains(got.body, "secret") {
		t.Errorf("own status: %d %s", got.StatusCode, got.body)
	}
}

// TestOpenWithoutAnother has nobody answer after a plugin that failed openly: the
// answer is the failure, not that there is nothing.
func TestOpenWithoutAnother(t *testing.T) {
	t.Parallel()
	failed := Plugin{Name: "p", Decider: failing(abi.Errorf(abi.CodePluginOverloaded, "plugin p is busy")), OnFailure: OnFailure{Open: true}}
	next := Plugin{Name: "q", Decider: always(&abi.Next{})}
	r := start(t, &Server{}, []Route{
		{Path: "/last", Chain: []Plugin{next, failed}},
		{Path: "/*", Chain: []Plugin{failed, next}},
	})
	for _, path := range []string{"/last", "/first"} {
		if got := r.get(t, "a", path, ""); got.StatusCode != 503 || !strings.Contains(got.body, "PLUGIN_OVERLOADED") || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
}

// TestOpenAfterTheBodyWasRead closes: the bytes are gone.
func TestOpenAfterTheBodyWasRead(t *testing.T) {
	t.Parallel()
	failure := abi.Errorf(abi.CodePluginFailed, "plugin p failed")
	reader := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		if req.Path == "/read" {
			if _, err := io.ReadFull(req.Body, make([]byte, 1)); err != nil {
				return nil, err
			}
		}
		return nil, failure
	})
	all := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		body, err := io.ReadAll(req.Body)
		return text(200, string(body)), err
	})
	r := start(t, &Server{}, []Route{{Chain: []Plugin{{Name: "p", Decider: reader, OnFailure: OnFailure{Open: true}}, {Name: "q", Decider: all}}}})
	for path, want := range map[string]int{"/read": 500, "/unread": 200} {
		c := r.dial(t)
		c.send("POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
		if got := c.answer("POST"); got.StatusCode != want || want == 200 && got.body != "body" {
			t.Errorf("%s: %d %s, want %d", path, got.StatusCode, got.body, want)
		}
	}
}

// TestChainEdits sends a request through three plugins that edit it to a backend: an
// authenticating one in front, one that rewrites, one that routes.
func TestChainEdits(t *testing.T) {
	t.Parallel()
	auth := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		token, _ := req.Header("Authorization")
		user, ok := strings.CutPrefix(token, "Bearer ")
		if !ok {
			return &abi.Respond{Status: 401, Headers: []abi.Header{{Name: "WWW-Authenticate", Value: "Bearer"}}}, nil
		}
		req.DelHeader("Authorization")
		req.SetHeader("X-User", user)
		return &abi.Next{}, nil
	})
	rewrite := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		if user, _ := req.Header("X-User"); user != "ann" {
			return nil, abi.Errorf(abi.CodeDenied, "not %s", user)
		}
		req.Method, req.Path, req.Query, req.HasQuery = "PUT", "/v2"+req.Path, "user=ann", true
		return &abi.Next{}, nil
	})
	route := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		if req.Method != "PUT" || req.Target() != "/v2/things?user=ann" {
			return nil, abi.Errorf(abi.CodeInternal, "sees %s %s", req.Method, req.Target())
		}
		req.Headers = append(req.Headers, abi.Header{Name: "X-Routed", Value: "yes"})
		return &abi.Proxy{Sandbox: ref("a"), Port: 8080}, nil
	})
	box := newBox("a", map[int]string{8080: backend(t, echoHead)})
	r := start(t, &Server{boxes: boxes(box)}, []Route{{Chain: []Plugin{
		{Name: "auth", Decider: auth}, {Name: "rewrite", Decider: rewrite}, {Name: "route", Decider: route},
	}}})
	got := r.get(t, "app", "/things?q=1", "Authorization: Bearer ann\r\n")
	for _, want := range []string{"PUT /v2/things?user=ann\n", "X-User: ann\r\n", "X-Routed: yes\r\n"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the backend did not see %q:\n%s", want, got.body)
		}
	}
	if strings.Contains(got.body, "Authorization") {
		t.Errorf("what a plugin removed came through:\n%s", got.body)
	}
	if got := r.get(t, "app", "/things", ""); got.StatusCode != 401 || got.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without a token: %d", got.StatusCode)
	}
	if got := r.get(t, "app", "/things", "Authorization: Bearer bob\r\n"); got.StatusCode != 403 {
		t.Errorf("as another user: %d", got.StatusCode)
	}
	if n := box.dialled(); n != 1 {
		t.Errorf("%d connections to the backend, want 1", n)
	}
}

// granted is a decider that may reach one port of one sandbox.
type granted struct {
	Decider
	id   string
	port int
}

func (g granted) MayReach(ref abi.SandboxRef, port int) error {
	if ref.ID == g.id && port == g.port {
		return nil
	}
	return abi.Errorf(abi.CodeDenied, "the plugin was not granted the sandbox %q", ref.ID)
}

// TestProxyByExposureAsksForTheGrant relays to the only exposed port of a sandbox, as
// far as it was granted.
func TestProxyByExposureAsksForTheGrant(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoHead)})
	box.exposed = []sandboxmgr.Exposure{{Ref: ref("a"), Port: 8080}}
	byExposure := always(&abi.Proxy{Sandbox: ref("a")})
	r := start(t, &Server{boxes: boxes(box)}, []Route{
		{Path: "/granted", Chain: []Plugin{{Name: "p", Decider: granted{byExposure, "a", 8080}}}},
		{Path: "/port", Chain: []Plugin{{Name: "p", Decider: granted{byExposure, "a", 8081}}}},
		{Path: "/sandbox", Chain: []Plugin{{Name: "p", Decider: granted{byExposure, "b", 8080}}}},
		{Path: "/*", Chain: []Plugin{{Name: "p", Decider: byExposure}}},
	})
	for path, status := range map[string]int{"/granted": 200, "/port": 403, "/sandbox": 403, "/any": 200} {
		got := r.get(t, "app", path, "")
		if got.StatusCode != status || status == 403 && (!strings.Contains(got.body, "DENIED") || strings.Contains(got.body, "grant")) {
			t.Errorf("%s: %d %s, want %d", path, got.StatusCode, got.body, status)
		}
	}
	if n := box.dialled(); n == 0 || n > 2 {
		t.Errorf("%d connections to the sandbox", n)
	}
}
