package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// backend is a server "inside a sandbox": net/http on loopback.
func backend(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// echoHead answers with the head it got.
func echoHead(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.Write(w)
	fmt.Fprintf(w, "body: %s %v", body, err)
}

func boxes(bs ...*fakeBox) *fakeBoxes {
	f := &fakeBoxes{boxes: map[string]*fakeBox{}}
	for _, b := range bs {
		f.boxes[b.id] = b
	}
	return f
}

func ref(id string) abi.SandboxRef { return abi.SandboxRef{Binding: "Sandbox", ID: id} }

func TestRespond(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		decision *abi.Respond
		status   int
		body     string
	}{
		{"body", text(201, "made"), 201, "made"},
		{"no body", &abi.Respond{Status: 204}, 204, ""},
		{"stream", &abi.Respond{Status: 200, Stream: io.NopCloser(strings.NewReader("in pieces"))}, 200, "in pieces"},
		{"status", &abi.Respond{Status: 101}, 500, "PLUGIN_FAILED"},
		{"header name", &abi.Respond{Status: 200, Headers: []abi.Header{{Name: "a b", Value: "c"}}}, 500, "PLUGIN_FAILED"},
		{"header value", &abi.Respond{Status: 200, Headers: []abi.Header{{Name: "a", Value: "c\r\nd: e"}}}, 500, "PLUGIN_FAILED"},
		{"framing", &abi.Respond{Status: 200, Headers: []abi.Header{{Name: "content-length", Value: "1"}}}, 500, "PLUGIN_FAILED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &Server{}, all(always(tt.decision)))
			got := r.get(t, "a", "/", "")
			if got.StatusCode != tt.status || !strings.Contains(got.body, tt.body) {
				t.Errorf("got %d %q, want %d %q", got.StatusCode, got.body, tt.status, tt.body)
			}
			if got.Header.Get("Server") != "" || got.Header.Get("Date") == "" {
				t.Errorf("headers %v", got.Header)
			}
		})
	}
}

func TestRespondHeadersAsGiven(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{}, all(always(&abi.Respond{Status: 200, Headers: []abi.Header{
		{Name: "set-cookie", Value: "a=1; Path=/"}, {Name: "Set-Cookie", Value: "a=1; Path=/x"}, {Name: "x-lower", Value: "1"}, {Name: "x-lower", Value: "2"},
	}})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	head, err := readHead(c.r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x-lower: 1\r\n", "x-lower: 2\r\n", "a=1; Path=/\r\n", "a=1; Path=/x\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("answer lacks %q:\n%s", want, head)
		}
	}
	if strings.Contains(head, "Content-Type") {
		t.Errorf("a content type was made up:\n%s", head)
	}
}

// brokenStream gives a piece and then fails.
type brokenStream struct {
	sent   bool
	fail   func() error
	closed chan struct{}
}

func (b *brokenStream) Read(p []byte) (int, error) {
	if !b.sent {
		b.sent = true
		return copy(p, "half"), nil
	}
	return 0, b.fail()
}

func (b *brokenStream) Close() error { close(b.closed); return nil }

func TestBrokenStreamBreaksTheConnection(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("secret reason") },
		"panic": func() error { panic("secret reason") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := &brokenStream{fail: fail, closed: make(chan struct{})}
			r := start(t, &Server{}, all(always(&abi.Respond{Status: 200, Stream: stream})))
			c := r.dial(t)
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("read %q, %v; want half an answer and a broken connection", body, err)
			}
			<-stream.closed
			if strings.Contains(r.accessLog(), "stack") {
				t.Error("the access log holds a stack")
			}
		})
	}
}

// TestStreamIsSentAtOnce wants each piece before the next is made.
func TestStreamIsSentAtOnce(t *testing.T) {
	t.Parallel()
	pr, pw := io.Pipe()
	r := start(t, &Server{}, all(always(&abi.Respond{Status: 200, Stream: pr})))
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"one", "two"} {
		if _, err := io.WriteString(pw, piece); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, len(piece))
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != piece {
			t.Fatalf("read %q, %v", buf, err)
		}
	}
	pw.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	fail := func(err error) Decider {
		return decide(func(context.Context, *abi.Request) (abi.Decision, error) { return nil, err })
	}
	tests := []struct {
		name    string
		decider Decider
		status  int
		code    abi.Code
		logged  string
	}{
		{"own error", fail(abi.Errorf(abi.CodeDenied, "not you")), 403, abi.CodeDenied, ""},
		{"internal error", fail(errors.New("secret reason")), 500, abi.CodeInternal, "secret reason"},
		{"deadline", fail(fmt.Errorf("x: %w", context.DeadlineExceeded)), 504, abi.CodeTimeout, ""},
		{"overloaded", fail(abi.Errorf(abi.CodePluginOverloaded, "busy")), 503, abi.CodePluginOverloaded, ""},
		{"no decision", always(nil), 500, abi.CodePluginFailed, "no decision"},
		{"panic", decide(func(context.Context, *abi.Request) (abi.Decision, error) { panic("secret reason") }), 500, abi.CodePluginFailed, "secret reason"},
		{"next from the last", always(&abi.Next{}), 404, abi.CodeNotFound, ""},
		{"connect without upgrade", always(&abi.Connect{Sandbox: ref("a"), Port: 8080}), 426, abi.CodeUpgradeRequired, ""},
		{"bad port", always(&abi.Proxy{Sandbox: ref("a"), Port: 80}), 400, abi.CodeInvalidPort, ""},
		{"unknown sandbox", always(&abi.Proxy{Sandbox: ref("x"), Port: 8080}), 404, abi.CodeUnknownBinding, ""},
		{"no exposure", always(&abi.Proxy{}), 404, abi.CodeNotFound, ""},
		{"several exposures", always(&abi.Proxy{Sandbox: ref("b")}), 404, abi.CodeNotFound, ""},
		{"port closed", always(&abi.Proxy{Sandbox: ref("a"), Port: 8080}), 502, abi.CodePortNotListening, ""},
	}
	a, b := newBox("a", nil), newBox("b", nil)
	b.exposed = []sandboxmgr.Exposure{{Port: 8080}, {Port: 9090}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &Server{boxes: boxes(a, b)}, all(tt.decider))
			got := r.get(t, "a", "/", "")
			var e abi.Error
			if err := json.Unmarshal([]byte(got.body), &e); err != nil || got.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("not JSON: %v %v %s", err, got.Header, got.body)
			}
			if got.StatusCode != tt.status || e.Code != tt.code || got.Header.Get("X-Request-Id") == "" {
				t.Errorf("got %d %s, want %d %s", got.StatusCode, got.body, tt.status, tt.code)
			}
			if got.StatusCode == 503 && got.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			page := r.get(t, "a", "/", "Accept: text/html,*/*\r\n")
			if page.StatusCode != tt.status || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") ||
				!strings.Contains(page.body, string(tt.code)) || !strings.Contains(page.body, page.Header.Get("X-Request-Id")) {
				t.Errorf("page: %d %v %s", page.StatusCode, page.Header, page.body)
			}
			if offer := got.Header.Get("Upgrade"); (offer == "websocket") != (tt.status == 426) {
				t.Errorf("a %d with Upgrade: %q", tt.status, offer)
			}
			if strings.Contains(got.body+page.body, "secret") {
				t.Error("an internal text reached the client")
			}
			if n := strings.Count(r.log.String(), tt.logged); tt.logged != "" && n < 2 {
				t.Errorf("log has the reason %d times, want once for each of 2 requests: %s", n, r.log.String())
			}
			if tt.code == abi.CodePortNotListening && (!strings.Contains(got.body, "listening_on:[3000 9000]") || !strings.Contains(page.body, "listens on [3000 9000]")) {
				t.Errorf("the diagnosis is missing: %s %s", got.body, page.body)
			}
		})
	}
}

func TestPageEscapes(t *testing.T) {
	t.Parallel()
	e := abi.Errorf(abi.CodeNotFound, "<script>alert(1)</script>").WithSuggestion("<b>")
	if p := string(errorPage(404, e, "<id>")); strings.Contains(p, "<script") || strings.Contains(p, "<b>") || strings.Contains(p, "<id>") {
		t.Errorf("page lets markup through: %s", p)
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "nothing is here": "Nothing is here.", "why?": "Why?", "\xff": "\uFFFD.", "écho": "Écho.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("sentence(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	mark := func(v string) Decider {
		return decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
			req.Headers = append(req.Headers, abi.Header{Name: "X-Mark", Value: v})
			return &abi.Next{}, nil
		})
	}
	last := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		return text(200, strings.Join(req.HeaderValues("X-Mark"), ",")), nil
	})
	r := start(t, &Server{}, []Route{{Path: "/c/*", Chain: []Plugin{{Name: "a", Decider: mark("1")}, {Name: "b", Decider: mark("2")}, {Name: "c", Decider: last}}}})
	if got := r.get(t, "a", "/c/", ""); got.body != "1,2" {
		t.Errorf("chain gave %q", got.body)
	}
	if got := r.get(t, "a", "/d/", ""); got.StatusCode != 404 || !strings.Contains(got.body, "NOT_FOUND") {
		t.Errorf("no route: %d %s", got.StatusCode, got.body)
	}
}

func TestProxySendsTheRequestOn(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoHead)})
	r := start(t, &Server{boxes: boxes(box)}, all(decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		req.SetHeader("X-User", "ann")
		return &abi.Proxy{Sandbox: ref("a"), Port: 8080}, nil
	})))
	c := r.dial(t)
	for range 2 { // the second on the same connection
		c.send("POST /a%2Fb//c?x=%20 HTTP/1.1\r\nHost: app.example:81\r\nOrigin: http://app.example:81\r\nX-Forwarded-For: 6.6.6.6\r\n" +
			"X-Sandbox-Id: evil\r\nConnection: X-User, keep-alive\r\nContent-Length: 2\r\n\r\nhi")
		got := c.answer("POST")
		for _, want := range []string{"POST /a%2Fb//c?x=%20\n", "Host: app.example:81\n", "Origin: http://app.example:81\r\n", "X-User: ann\r\n",
			"X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Host: app.example:81\r\n", "X-Forwarded-Proto: http\r\n", "X-Sandbox-Id: a\r\n", "body: hi <nil>"} {
			if !strings.Contains(got.body, want) {
				t.Errorf("backend did not see %q:\n%s", want, got.body)
			}
		}
		if strings.Contains(got.body, "6.6.6.6") || strings.Contains(got.body, "evil") {
			t.Errorf("forged headers reached the backend:\n%s", got.body)
		}
	}
}

func TestBodyReadByPluginIsNotSentOn(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoHead)})
	r := start(t, &Server{boxes: boxes(box)}, all(decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		var b [2]byte
		_, err := io.ReadFull(req.Body, b[:])
		return &abi.Proxy{Sandbox: ref("a"), Port: 8080}, err
	})))
	for _, tt := range []struct{ send, want string }{
		{"Content-Length: 5\r\n\r\nabcde", "body: cde <nil>"},
		{"Content-Length: 2\r\n\r\nab", "body:  <nil>"},
		{"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", "body: cde <nil>"},
	} {
		c := r.dial(t)
		c.send("POST / HTTP/1.1\r\nHost: a\r\n" + tt.send)
		if got := c.answer("POST"); !strings.Contains(got.body, tt.want) {
			t.Errorf("%q: backend saw %q, want %q", tt.send, got.body, tt.want)
		}
	}
}

// TestUnreadBody wants what follows a body that nobody read to be no request.
func TestUnreadBody(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{}, all(always(text(200, "in"))))
	c := r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /inner HTTP/1.1\r\nHost: x\r\n\r\n..GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	for range 2 {
		if got := c.answer("GET"); got.StatusCode != 200 {
			t.Fatalf("answer %d %s", got.StatusCode, got.body)
		}
	}
	if log := r.accessLog(); strings.Contains(log, "/inner") || !strings.Contains(log, "/second") {
		t.Errorf("requests seen: %s", log)
	}
	// One that is too large, or does not come, costs the connection.
	c = r.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nGET /inner HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := c.answer("POST"); got.StatusCode != 200 || !got.Close || !c.eof() {
		t.Errorf("answer %d, close %v", got.StatusCode, got.Close)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoHead)})
	r := start(t, &Server{boxes: boxes(box)}, []Route{{Path: "/in", Chain: []Plugin{{Name: "p", Decider: always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})}}}})
	for _, head := range []string{"Expect: 100-continue\r\n", "expect: 100-Continue\r\n"} {
		c := r.dial(t)
		c.send("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" + head + "\r\n")
		if got := c.answer("POST"); got.StatusCode != 100 {
			t.Fatalf("first answer %d, want 100", got.StatusCode)
		}
		c.send("hi")
		if got := c.answer("POST"); got.StatusCode != 200 || !strings.Contains(got.body, "body: hi") || strings.Contains(got.body, "Expect") {
			t.Errorf("answer %d %s", got.StatusCode, got.body)
		}
		c = r.dial(t)
		c.send("POST /out HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" + head + "\r\n")
		if got := c.answer("POST"); got.StatusCode != 404 || !got.Close || !c.eof() {
			t.Errorf("a body nobody wants: answer %d, close %v", got.StatusCode, got.Close)
		}
	}
}

func TestPanicOutsideADecider(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: boxes(nil...)}, all(always((*abi.Respond)(nil))))
	for range 2 {
		if got := r.get(t, "a", "/", ""); got.StatusCode != 500 || !strings.Contains(got.body, "INTERNAL") {
			t.Errorf("answer %d %s", got.StatusCode, got.body)
		}
	}
	if !strings.Contains(r.log.String(), "stack=") {
		t.Error("no stack in the log")
	}
}

// TestSlowHead wants a head that comes in drops to be given up.
func TestSlowHead(t *testing.T) {
	t.Parallel()
	_, c := startBehind(t, &Server{HeadTimeout: time.Second}, all(always(text(200, ""))), "GET / HTTP/1.1\r\nHost: ")
	if got := c.answer("GET"); got.StatusCode != 408 || !c.eof() {
		t.Errorf("answer %d", got.StatusCode)
	}
}

// TestPluginsOwn426 wants what a 426 must say, whoever made it.
func TestPluginsOwn426(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{}, all(always(text(426, "WebSocket only"))))
	got := r.get(t, "a", "/", "")
	for name, want := range map[string]string{"Upgrade": "websocket", "Sec-Websocket-Version": "13"} {
		if g := got.Header.Get(name); g != want {
			t.Errorf("%s: %q, want %q", name, g, want)
		}
	}
	if got.StatusCode != 426 || got.body != "WebSocket only" {
		t.Errorf("got %d %q", got.StatusCode, got.body)
	}
}
