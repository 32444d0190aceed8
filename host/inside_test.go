package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// insideHTTP asks a server from inside.
func insideHTTP(t *testing.T, s *Server) *http.Client {
	t.Helper()
	i := &Inside{s}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return i.Dial(ctx) }}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestInsideAnswers(t *testing.T) {
	t.Parallel()
	i := &Inside{&Server{Domains: []string{"edge.test"}}}
	t.Cleanup(func() { _ = i.Server.Shutdown(context.Background()) })
	for text, want := range map[string]bool{
		"http://8080-a-token.edge.test/":             true,
		"https://8080-A-token.EDGE.test:8443/x":      true,
		"http://8080-a.edge.test":                    true,
		"http://edge.test/_preview/8080/a-token/":    true,
		"http://edge.test/":                          false,
		"http://edge.test/%5fpreview/8080/a-token/":  false,
		"http://other.test/_preview/8080/a-token/":   false,
		"http://a.edge.test/":                        false,
		"http://x.8080-a-token.edge.test/":           false,
		"http://8080-a-token.edge.test.evil.test/":   false,
		"http://127.0.0.1/_preview/8080/a-token/":    false,
		"http://8080-a-token.notedge.test/_preview/": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := i.Answers(u); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

// TestInsideServesPreviewsAlone asks by the memory's way what TestPreview asks over
// sockets: tokens count as there, and no plugin is asked.
func TestInsideServesPreviewsAlone(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: previews(t)}, all(decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		t.Error("a plugin was asked")
		return text(200, "routed"), nil
	})))
	c := insideHTTP(t, r.Server)
	for _, tt := range []struct {
		method, url, body string
		status            int
		want              string
	}{
		{"GET", "http://8080-my-app-s3cret_token.localhost:8787/x?y=1", "", 200, "GET /x?y=1\nHost: localhost:8080\n"},
		{"POST", "http://8080-my-app-s3cret_token.localhost/", "body", 200, "POST /\n"},
		{"GET", "http://localhost/_preview/8080/my-app-s3cret_token/x", "", 200, "GET /x\n"},
		{"GET", "http://8080-other-tok.localhost/", "", 299, ""},
		{"GET", "http://8080-my-app-s3cret_tokem.localhost/", "", 404, "INVALID_TOKEN"},
		{"GET", "http://localhost/healthz", "", 404, "INVALID_TOKEN"},
		{"GET", "http://localhost/", "", 404, "INVALID_TOKEN"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", tt.url, err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(b), tt.want) {
			t.Errorf("%s %s: %d %q, %v; want %d %q", tt.method, tt.url, resp.StatusCode, b, err, tt.status, tt.want)
		}
	}
}

// TestInsideStreams reads an answer while it is made, and leaves in the middle: the
// sandbox learns of it.
func TestInsideStreams(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	more := make(chan struct{})
	f := previews(t)
	f.boxes["my-app"].ports[8080] = backend(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(w, "piece %d\n", i); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-more:
			case <-r.Context().Done():
				return
			}
		}
	})
	r := start(t, &Server{boxes: f}, all(always(text(200, ""))))
	resp, err := insideHTTP(t, r.Server).Get("http://8080-my-app-s3cret_token.localhost/")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len("piece 0\n"))
	for i := range 3 {
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != fmt.Sprintf("piece %d\n", i) {
			t.Fatalf("read %q, %v", buf, err)
		}
		if i < 2 {
			more <- struct{}{}
		}
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the sandbox still answers a client that left")
	}
}

// TestInsideIsNotNestedForEver has each request carry how deep it is.
func TestInsideIsNotNestedForEver(t *testing.T) {
	t.Parallel()
	s := &Server{boxes: previews(t)}
	start(t, s, all(always(text(200, ""))))
	i := &Inside{s}
	ctx := t.Context()
	for depth := range maxInside {
		c, err := i.Dial(ctx)
		if err != nil {
			t.Fatalf("depth %d: %v", depth, err)
		}
		_ = c.Close()
		x := &exchange{}
		x.ctx.server, x.ctx.depth = s.base, depth+1
		ctx = context.WithValue(&x.ctx, new(int), "what plugins add")
	}
	if _, err := i.Dial(ctx); !errors.Is(err, abi.CodeFetchFailed.Err()) {
		t.Errorf("too deep: %v", err)
	}
}

// TestInsideAfterShutdown gets a connection that is at its end.
func TestInsideAfterShutdown(t *testing.T) {
	t.Parallel()
	s := &Server{boxes: previews(t)}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := (&Inside{s}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("something was read")
	}
}

// TestInsideWebSocket opens a WebSocket to a preview from inside.
func TestInsideWebSocket(t *testing.T) {
	t.Parallel()
	r := start(t, &Server{boxes: previews(t)}, all(decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		return text(200, "routed"), nil
	})))
	open := func(address string) (abi.Socket, error) {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := (&Inside{r.Server}).Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return OpenURL(t.Context(), conn, u, abi.WebSocketURLOptions{Headers: [][2]string{{"X-Any", "y"}}})
	}
	s, err := open("http://8080-my-app-s3cret_token.localhost:8787/live?x=1")
	if err != nil {
		t.Fatal(err)
	}
	if _, m, err := s.Receive(t.Context()); err != nil || !strings.HasSuffix(string(m), "/live?x=1") {
		t.Errorf("first message %q, %v", m, err)
	}
	for _, sent := range []string{"a", "bcd"} { // the server sends back what it read, masked still
		if err := s.Send(t.Context(), 2, []byte(sent)); err != nil {
			t.Fatal(err)
		}
		if _, m, err := s.Receive(t.Context()); err != nil || len(m) != len(sent) {
			t.Errorf("echo of %d bytes, %v; want %d", len(m), err, len(sent))
		}
	}
	shaken, ok := s.(interface{ Handshake() abi.WebSocketHead })
	if !ok || shaken.Handshake().Status != 101 || len(shaken.Handshake().Headers) == 0 {
		t.Errorf("the handshake is not told")
	}
	if err := s.Close(1000, ""); err != nil {
		t.Error(err)
	}
	_, err = open("http://8080-my-app-wrong.localhost:8787/")
	if e := abi.AsError(err); e.Code != abi.CodeUpgradeFailed || string(e.Details) != `{"status":404}` {
		t.Errorf("a wrong token: %v, details %s", err, e.Details)
	}
}
