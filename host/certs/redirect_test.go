package certs

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// plain serves redirects of an internal manager to a port, and returns the address.
func plain(t testing.TB, port int) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plainAt(t, port, ln)
	return ln.Addr().String()
}

func plainAt(t testing.TB, port int, ln net.Listener) {
	t.Helper()
	m, _ := internal(t, Config{Domains: []string{"preview.test"}, Allow: allowing("app.example")})
	s := m.Redirect(port)
	var work sync.WaitGroup
	work.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() { _ = s.Close(); work.Wait() })
}

// raw sends bytes and reads one answer, which may come before all of them were taken.
func raw(t testing.TB, address, request string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, request)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	usual, other := plain(t, 443), plain(t, 8443)
	tests := []struct {
		name, address, request string
		status                 int
		location               string
	}{
		{"the usual port", usual, "GET /a/b?c=d HTTP/1.1\r\nHost: preview.test\r\n\r\n", 308, "https://preview.test/a/b?c=d"},
		{"another port", other, "POST /a HTTP/1.1\r\nHost: 8080-a-token.Preview.test:80\r\nContent-Length: 0\r\n\r\n", 308, "https://8080-a-token.preview.test:8443/a"},
		{"bytes of the path stay", other, "GET /%2e%2E//x%2fy?q=%20+ HTTP/1.1\r\nHost: app.example.\r\n\r\n", 308, "https://app.example:8443/%2e%2E//x%2fy?q=%20+"},
		{"two slashes", usual, "GET //evil.example/ HTTP/1.1\r\nHost: preview.test\r\n\r\n", 308, "https://preview.test//evil.example/"},
		{"an address", usual, "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", 308, "https://127.0.0.1/"},
		{"an IPv6 address", other, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 308, "https://[::1]:8443/"},
		{"an absolute target", usual, "GET http://preview.test/x HTTP/1.1\r\nHost: preview.test\r\n\r\n", 308, "https://preview.test/x"},
		{"a foreign host", usual, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, ""},
		{"a foreign target", usual, "GET http://evil.example/ HTTP/1.1\r\nHost: preview.test\r\n\r\n", 421, ""},
		{"a host that ends like ours", usual, "GET / HTTP/1.1\r\nHost: evilpreview.test\r\n\r\n", 421, ""},
		{"user info", usual, "GET / HTTP/1.1\r\nHost: preview.test@evil.example\r\n\r\n", 400, ""},
		{"unicode", usual, "GET / HTTP/1.1\r\nHost: prévıew.test\r\n\r\n", 400, ""},
		{"two hosts", usual, "GET / HTTP/1.1\r\nHost: preview.test\r\nHost: evil.example\r\n\r\n", 400, ""},
		{"no host", usual, "GET / HTTP/1.1\r\n\r\n", 400, ""},
		{"no path", usual, "OPTIONS * HTTP/1.1\r\nHost: preview.test\r\n\r\n", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := raw(t, tt.address, tt.request)
			if res.StatusCode != tt.status || res.Header.Get("Location") != tt.location {
				t.Errorf("%d to %q, want %d to %q", res.StatusCode, res.Header.Get("Location"), tt.status, tt.location)
			}
			if !res.Close || res.Header.Get("Strict-Transport-Security") != "" {
				t.Errorf("header %v, closes: %v", res.Header, res.Close)
			}
		})
	}
}

func TestRedirectBoundsHeads(t *testing.T) {
	t.Parallel()
	res := raw(t, plain(t, 443), "GET / HTTP/1.1\r\nHost: preview.test\r\nX: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	if res.StatusCode != 431 {
		t.Errorf("%d", res.StatusCode)
	}
}

// accepting counts what was accepted and is not closed.
type accepting struct {
	net.Listener

	mu             sync.Mutex
	open, all, max int
}

func (a *accepting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all++
	a.open++
	a.max = max(a.max, a.open)
	return &accepted{Conn: c, from: a}, nil
}

// counts are how many there were in all, and at a time at most.
func (a *accepting) counts() (all, most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all, a.max
}

// accepted is one of them.
type accepted struct {
	net.Conn
	from *accepting
	once sync.Once
}

func (c *accepted) Close() error {
	c.once.Do(func() {
		c.from.mu.Lock()
		defer c.from.mu.Unlock()
		c.from.open--
	})
	return c.Conn.Close()
}

// TestRedirectBoundsConnections: who opens many and says nothing takes no more
// descriptors than are meant for the plain port, and others are served after him.
func TestRedirectBoundsConnections(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counted := &accepting{Listener: ln}
	plainAt(t, 443, counted)
	silent := make([]net.Conn, 3*maxRedirected)
	for i := range silent {
		if silent[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { silent[i].Close() })
	}
	const most = maxRedirected + 1 // one waits for room
	within(t, "the first are accepted", func() bool { all, _ := counted.counts(); return all >= most })
	time.Sleep(100 * time.Millisecond) // for what should not happen
	for _, c := range silent {
		c.Close()
	}
	if res := raw(t, ln.Addr().String(), "GET / HTTP/1.1\r\nHost: preview.test\r\n\r\n"); res.StatusCode != 308 {
		t.Errorf("then: %d", res.StatusCode)
	}
	if all, at := counted.counts(); at > most {
		t.Errorf("of %d connections %d are served at a time, want %d", all, at-1, maxRedirected)
	}
}
