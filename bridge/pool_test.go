package bridge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// keepAlive answers every request on a connection, and hands each connection's
// number of requests out when it ends.
func keepAlive(c *raw) {
	for {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, req.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Body: %d\r\nContent-Length: 2\r\n\r\nok", n)
	}
}

// TestPool: connections are used again, and not after CloseUpstream.
func TestPool(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, keepAlive), func(e *edge) { e.dials = make(chan struct{}, 100) })
	c := e.dial()
	ask := func() {
		t.Helper()
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 200 OK") {
			t.Fatalf("head %q", h)
		}
		c.expect("ok")
	}
	for range 5 {
		ask()
	}
	if n := len(e.dials); n != 1 {
		t.Errorf("%d dials for 5 requests", n)
	}
	e.relay.CloseUpstream("other/")
	ask()
	e.relay.CloseUpstream("k/")
	ask()
	if n := len(e.dials); n != 2 {
		t.Errorf("%d dials after CloseUpstream", n)
	}
}

// TestStaleConnection: a backend that drops an idle connection at the moment it
// is used costs an idempotent request one more dial, and any other an error.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		request string
		retried bool
	}{
		{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", false},
		{"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", false},
	} {
		var served sync.Map
		e := newEdge(t, backend(t, func(c *raw) {
			for i := 0; ; i++ {
				if _, err := http.ReadRequest(c.br); err != nil {
					return
				}
				_, again := served.LoadOrStore("first", true)
				if again && i > 0 {
					return // the second request on the first connection: dropped
				}
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}), func(e *edge) { e.dials = make(chan struct{}, 100) })
		c := e.dial()
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		c.head()
		c.expect("ok")
		c.send(tc.request)
		status := c.head()[:12]
		if want := map[bool]string{true: "HTTP/1.1 200", false: "HTTP/1.1 502"}[tc.retried]; status != want {
			t.Errorf("%q: %s", tc.request, status)
		}
		if n := len(e.dials); tc.retried && n != 2 || !tc.retried && n != 1 {
			t.Errorf("%q: %d dials", tc.request, n)
		}
	}
}

// TestUnaskedAnswer: what a backend sends on an idle connection, also on one that was
// used only a moment ago, is not the answer to the next request.
func TestUnaskedAnswer(t *testing.T) {
	t.Parallel()
	answered, sent := make(chan struct{}), make(chan struct{})
	e := newEdge(t, backend(t, func(c *raw) {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Path: %s\r\nContent-Length: 0\r\n\r\n", req.URL.Path)
		if req.URL.Path == "/first" {
			<-answered
			c.send("HTTP/1.1 408 Request Timeout\r\nX-Path: /unasked\r\nContent-Length: 0\r\n\r\n")
			close(sent)
		}
		io.Copy(io.Discard, c.br)
	}), func(e *edge) { e.dials = make(chan struct{}, 100) })
	c := e.dial()
	c.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n")
	c.head()
	// The connection is idle before the answer's end is with the client, or soon after.
	for deadline := time.Now().Add(wait); e.relay.pool.size("k/") == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the connection was not kept")
		}
	}
	close(answered)
	<-sent
	c.send("GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
	if h := c.head(); !strings.Contains(h, "X-Path: /second\r\n") {
		t.Errorf("answered with %q", h)
	}
	if n := len(e.dials); n != 2 {
		t.Errorf("%d dials, want one for each request", n)
	}
}

// size counts what is idle under keys that begin with prefix.
func (p *pool) size(prefix string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, list := range p.idle {
		if strings.HasPrefix(key, prefix) {
			n += len(list)
		}
	}
	return n
}

// TestNoSmuggling: after a failed request whose body was not read, the rest of it
// is not taken for a request.
func TestNoSmuggling(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { c.head() }))
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n" + text(9000)) // fasthttp waits for 8 KiB
	c.expect("HTTP/1.1 502")
	io.WriteString(c, strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 1000)) // which may be refused
	rest, _ := io.ReadAll(c.br)
	if bytes.Contains(rest, []byte("HTTP/1.1")) {
		t.Errorf("more answers: %q", rest)
	}
}

// TestDescriptors: 10,000 small requests leave as many descriptors as before.
func TestDescriptors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts /proc/self/fd")
	}
	e := newEdge(t, backend(t, keepAlive))
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := count()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			c := e.dial()
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * wait))
			for i := range 1000 {
				body := ""
				if i%3 == 0 {
					body = text(i)
				}
				fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.Header.Get("X-Body") != fmt.Sprint(len(body)) {
					t.Errorf("request %d: %v %v", i, resp, err)
					return
				}
				io.Copy(io.Discard, resp.Body)
			}
		})
	}
	wg.Wait()
	e.relay.CloseUpstream("")
	for deadline := time.Now().Add(wait); count() > before+16; { // closing sockets is the kernel's and the server's to finish
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors before, %d after", before, count())
		}
		runtime.Gosched()
	}
}
