package fetch

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// socketTo asks for a WebSocket with grants.
func socketTo(t *testing.T, address string, grants ...string) plugins.SocketRequest {
	t.Helper()
	g := &plugins.Grants{Fetch: grants}
	r := plugins.SocketRequest{Plugin: "p", Allow: g.FetchHost, AllowAddr: g.FetchAddr}
	u, err := abi.CheckWebSocketURL(address, &r.Options)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	return r
}

// ask sends a request over a connection and returns the answer's end.
func ask(t *testing.T, conn io.ReadWriteCloser) string {
	t.Helper()
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[strings.LastIndex(string(b), "\n")+1:])
}

// TestDial connects to what was granted, with TLS where the URL says so, and to nothing
// else.
func TestDial(t *testing.T) {
	t.Parallel()
	hello := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello "+r.URL.Path) }
	plain := serve(t, hello)
	secure := httptest.NewTLSServer(http.HandlerFunc(hello))
	t.Cleanup(secure.Close)
	c := newClient(t)
	c.Roots = x509.NewCertPool()
	c.Roots.AddCert(secure.Certificate())
	for _, s := range []*httptest.Server{plain, secure} {
		address := "ws" + strings.TrimPrefix(s.URL, "http")
		conn, err := c.Dial(t.Context(), socketTo(t, address, s.URL))
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if got := ask(t, conn); got != "hello /x" {
			t.Errorf("%s: %q", address, got)
		}
	}
	_, err := c.Dial(t.Context(), socketTo(t, "ws://other.test/"))
	want(t, err, abi.CodeDenied, "other.test")
	_, err = c.Dial(t.Context(), socketTo(t, "ws://localhost:1/", "http://localhost:1"))
	want(t, err, abi.CodeDenied, "this machine itself")
	c.Roots = x509.NewCertPool()
	_, err = c.Dial(t.Context(), socketTo(t, secure.URL, secure.URL))
	want(t, err, abi.CodeFetchFailed, "certificate")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Dial(ctx, socketTo(t, plain.URL, plain.URL)); err == nil {
		t.Error("what is over was dialled")
	}
}

// TestDialCounts has a connection count among the plugin's fetches until it is closed.
func TestDialCounts(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t)
	open := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.pools["p"].open
	}
	conn, err := c.Dial(t.Context(), socketTo(t, s.URL, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dial(t.Context(), socketTo(t, s.URL)); err == nil || open() != 1 {
		t.Errorf("%d are open, want 1 (%v)", open(), err)
	}
	if err := conn.Close(); err != nil || conn.Close() == nil || open() != 0 {
		t.Errorf("%d are open after it was closed (%v)", open(), err)
	}
}
