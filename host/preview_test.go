package host

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"edge/abi"
	"edge/sandboxmgr"
)

// previews is two sandboxes with an exposure each, and one that is public.
func previews(t *testing.T) *fakeBoxes {
	a := newBox("my-app", map[int]string{8080: backend(t, echoSocket), 9000: backend(t, echoSocket)})
	b := newBox("other", map[int]string{8080: backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) })})
	f := boxes(a, b)
	mine := sandboxmgr.Exposure{Ref: ref("my-app"), Port: 8080, Token: "s3cret_token"}
	f.labels = map[string]sandboxmgr.Exposure{
		"8080-my-app-s3cret_token": mine,
		"9000-my-app":              {Ref: ref("my-app"), Port: 9000, Access: abi.AccessPublic},
		"8080-other-tok":           {Ref: ref("other"), Port: 8080, Token: "tok"},
	}
	f.paths = map[string]sandboxmgr.Exposure{"8080/my-app-s3cret_token": mine}
	return f
}

func TestPreview(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, host, target, extra string
		status                    int
		want                      string
	}{
		{"token", "8080-my-app-s3cret_token.localhost:8787", "/x?y=1", "", 200, "GET /x?y=1\nHost: localhost:8080\n"},
		{"upper case", "8080-MY-APP-S3CRET_TOKEN.LOCALHOST", "/", "", 200, "Host: localhost:8080\n"},
		{"trailing dot", "8080-my-app-s3cret_token.localhost.:8787", "/", "", 200, "Host: localhost:8080\n"},
		{"public", "9000-my-app.localhost", "/", "", 200, "Host: localhost:9000\n"},
		{"path", "a.example", "/_preview/8080/my-app-s3cret_token/x/y?z", "", 200, "GET /x/y?z\nHost: localhost:8080\n"},
		{"path, root", "a.example", "/_preview/8080/my-app-s3cret_token/", "", 200, "GET /\nHost: localhost:8080\n"},
		{"path is not read", "a.example", "/_preview/8080/my-app-s3cret_token/x/..%2f//a", "", 200, "GET /x/..%2f//a\n"},
		{"path without slash", "a.example", "/_preview/8080/my-app-s3cret_token?q", "", 308, ""},
		{"own origin", "8080-my-app-s3cret_token.localhost:8787", "/", "Origin: https://8080-my-app-s3cret_token.localhost:8787\r\n", 200, "Origin: http://localhost:8080\r\n"},
		{"other origin", "8080-my-app-s3cret_token.localhost:8787", "/", "Origin: http://evil.example\r\n", 200, "Origin: http://evil.example\r\n"},
		{"null origin", "8080-my-app-s3cret_token.localhost:8787", "/", "Origin: null\r\n", 200, "Origin: null\r\n"},
		{"forwarded", "8080-my-app-s3cret_token.localhost:8787", "/", "", 200, "X-Forwarded-Host: 8080-my-app-s3cret_token.localhost:8787\r\n"},
		{"health belongs to the server inside", "9000-my-app.localhost", "/healthz", "", 200, "GET /healthz\n"},

		{"bad token", "8080-my-app-s3cret_tokem.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"no token", "8080-my-app.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"shorter token", "8080-my-app-s3cret.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"other port", "9000-my-app-s3cret_token.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"token for public", "9000-my-app-x.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"unknown sandbox", "8080-nobody-tok.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"leading zero", "08080-my-app-s3cret_token.localhost", "/", "", 404, "INVALID_TOKEN"},
		{"bad key", "a", "/_preview/8080/my-app-nope/", "", 404, "INVALID_TOKEN"},
		{"no key", "a", "/_preview/8080/", "", 404, "INVALID_TOKEN"},
		{"nothing", "a", "/_preview/", "", 404, "INVALID_TOKEN"},
		{"bad key without slash", "a", "/_preview/8080/my-app-nope", "", 404, "INVALID_TOKEN"},
		{"two trailing dots", "8080-my-app-s3cret_token.localhost..", "/", "", 400, ""},
		{"empty port", "8080-my-app-s3cret_token.localhost:", "/", "", 400, ""},

		{"below a preview", "x.8080-my-app-s3cret_token.localhost", "/", "", 200, "routed"},
		{"domain itself", "localhost", "/", "", 200, "routed"},
		{"no digits", "app-8080.localhost", "/", "", 200, "routed"},
		{"another domain", "8080-my-app-s3cret_token.example", "/", "", 200, "routed"},
		{"domain as a suffix", "8080-my-app-s3cret_token.notlocalhost", "/", "", 200, "routed"},
		{"escaped path", "a", "/%5fpreview/8080/my-app-s3cret_token/", "", 200, "routed"},
	}
	f := previews(t)
	r := start(t, &Server{boxes: f}, all(always(text(200, "routed"))))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := r.get(t, tt.host, tt.target, tt.extra)
			if got.StatusCode != tt.status || !strings.Contains(got.body, tt.want) {
				t.Errorf("answer %d, want %d with %q:\n%s", got.StatusCode, tt.status, tt.want, got.body)
			}
			if tt.status == 308 && got.Header.Get("Location") != "/_preview/8080/my-app-s3cret_token/?q" {
				t.Errorf("location %q", got.Header.Get("Location"))
			}
		})
	}
	t.Cleanup(func() {
		if all := r.accessLog() + r.log.String(); strings.Contains(strings.ToLower(all), "s3cret") {
			t.Errorf("a log holds a token:\n%s", all)
		}
	})
}

// TestUnknownAndBadTokenLookTheSame compares the two answers byte for byte.
func TestUnknownAndBadTokenLookTheSame(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: previews(t)}, all(always(text(200, ""))))
	bad := r.get(t, "8080-my-app-wrong.localhost", "/", "")
	unknown := r.get(t, "8080-nobody-wrong.localhost", "/", "")
	if bad.StatusCode != unknown.StatusCode || bad.body != unknown.body {
		t.Errorf("%s differs from %s", bad.body, unknown.body)
	}
}

func TestPreviewWebSocket(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: previews(t)}, all(always(text(200, ""))))
	for _, tt := range []struct{ host, target, want string }{
		{"8080-my-app-s3cret_token.localhost:8787", "/hmr?t=1", "localhost:8080 http://localhost:8080 /hmr?t=1"},
		{"a:8787", "/_preview/8080/my-app-s3cret_token/hmr", "localhost:8080 http://localhost:8080 /hmr"},
		{"a:8787", "/_preview/8080/my-app-s3cret_token", "localhost:8080 http://localhost:8080 /"},
	} {
		c := r.dial(t)
		c.send("GET " + tt.target + " HTTP/1.1\r\nHost: " + tt.host + "\r\nOrigin: http://" + tt.host + "\r\n" + handshake + "\r\n")
		if got := c.answer("GET"); got.StatusCode != 101 {
			t.Fatalf("answer %d %s", got.StatusCode, got.body)
		}
		wantFrame(t, c.r, 1, tt.want)
	}
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: 8080-my-app-nope.localhost\r\n" + handshake + "\r\n")
	if got := c.answer("GET"); got.StatusCode != 404 {
		t.Errorf("a bad token on a socket: %d", got.StatusCode)
	}
}

// TestPreviewRevokedMeanwhile takes an exposure back between look-up and dial:
// the socket is refused, because nobody would ever close it.
func TestPreviewRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	f := previews(t)
	f.boxes["my-app"].onRunning = func() { delete(f.labels, "8080-my-app-s3cret_token") }
	r := start(t, &Server{boxes: f}, all(always(text(200, ""))))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: 8080-my-app-s3cret_token.localhost\r\n" + handshake + "\r\n")
	if got := c.answer("GET"); got.StatusCode != 404 || !strings.Contains(got.body, "INVALID_TOKEN") {
		t.Errorf("got %d %s, want 404 INVALID_TOKEN", got.StatusCode, got.body)
	}
}

// TestEventStream wants events through a preview as they come.
func TestEventStream(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	f := previews(t)
	f.boxes["my-app"].ports[8080] = backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for ev := range next {
			if _, err := w.Write([]byte(ev)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	r := start(t, &Server{boxes: f}, nil)
	c := r.dial(t)
	c.send("GET /events HTTP/1.1\r\nHost: 8080-my-app-s3cret_token.localhost\r\n\r\n")
	next <- "data: 1\n\n"
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len("data: 1\n\n"))
	for _, ev := range []string{"data: 1\n\n", "data: 2\n\n"} {
		if ev != "data: 1\n\n" {
			next <- ev
		}
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != ev {
			t.Fatalf("event %q, %v", buf, err)
		}
	}
	close(next)
}

func TestProxyByExposure(t *testing.T) {
	t.Parallel()
	f := previews(t)
	f.boxes["other"].exposed = []sandboxmgr.Exposure{{Port: 8080}}
	// A plugin sees a preview only where the host asks it; the decision is
	// carried out here as if it had.
	carry := func(d *abi.Proxy) Decider { return always(d) }
	tests := []struct {
		name     string
		decision *abi.Proxy
		status   int
	}{
		{"the only exposed port", &abi.Proxy{Sandbox: ref("other")}, 299},
		{"several or none", &abi.Proxy{Sandbox: ref("my-app")}, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &Server{boxes: f}, all(carry(tt.decision)))
			if got := r.get(t, "a", "/", ""); got.StatusCode != tt.status {
				t.Errorf("answer %d %s, want %d", got.StatusCode, got.body, tt.status)
			}
		})
	}
}

// TestProxyToTheOnlyExposure wants the exposure's own policy kept, and an exposure
// that is taken back between look-up and dial to be gone.
func TestProxyToTheOnlyExposure(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		policy abi.Policy
		revoke bool
		status int
		code   string
	}{
		"policy":     {abi.Policy{MaxBytes: 1}, false, 101, ""},
		"taken back": {abi.Policy{}, true, 404, "INVALID_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
			box.exposed = []sandboxmgr.Exposure{{Port: 8080, Policy: tt.policy}}
			if tt.revoke {
				box.onRunning = func() {
					box.mu.Lock()
					box.exposed = nil
					box.mu.Unlock()
				}
			}
			r := start(t, &Server{boxes: boxes(box)}, all(always(&abi.Proxy{Sandbox: ref("a")})))
			c := r.dial(t)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
			if got := c.answer("GET"); got.StatusCode != tt.status || !strings.Contains(got.body, tt.code) {
				t.Fatalf("answer %d %s, want %d %s", got.StatusCode, got.body, tt.status, tt.code)
			}
			if tt.status == 101 {
				wantFrame(t, c.r, 8, "\x03\xf0too many bytes")
			}
		})
	}
}

func TestNamesPreview(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"8080-a.edge.example": true, "8080-a.edge.example.:99": true, "1-a.edge.example": true, "8080.edge.example": false,
		"edge.example": false, "8080-a.localhost": false, "8080-a.b.edge.example": false, "8080-.edge.example": false, "bad host": false,
	} {
		if got := (Previews{Domains: []string{"Other.Example", "Edge.Example."}}).NamesPreview(&abi.Request{Host: host, Path: "/"}); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	if !(Previews{}).NamesPreview(&abi.Request{Host: "a", Path: "/_preview/x"}) {
		t.Error("the path form is not known")
	}
}

// FuzzPreviewLabel wants a label to be a whole one: putting it back in front of
// the domain gives the name.
func FuzzPreviewLabel(f *testing.F) {
	for _, s := range []string{"8080-a-b.localhost", "a.localhost", "8080-a.x.localhost", ".localhost", "8080-a-b.localhost."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := hostName(host)
		if !ok {
			return
		}
		if label, ok := previewLabel(name, []string{"localhost"}); ok {
			if label+".localhost" != name || strings.ContainsAny(label, ".:/ ") || len(label) > 63 || strings.ToLower(label) != label {
				t.Errorf("%q gave label %q", host, label)
			}
		}
	})
}
