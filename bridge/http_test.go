package bridge

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWire compares both sides byte for byte.
func TestWire(t *testing.T) {
	t.Parallel()
	const get, getAtBackend = "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tc := range []struct{ name, request, atBackend, answer, atClient string }{
		{
			"order and spelling",
			"GET /a%2fb?c HTTP/1.1\r\nHost: h\r\nx-LOWER: 1\r\nAccept: */*\r\nx-LOWER: 2\r\nUser-Agent: u\r\nCookie: a=b; c=d\r\n\r\n",
			"GET /a%2fb?c HTTP/1.1\r\nHost: h\r\nx-LOWER: 1\r\nAccept: */*\r\nx-LOWER: 2\r\nUser-Agent: u\r\nCookie: a=b; c=d\r\n\r\n",
			"HTTP/1.1 200 Fine\r\nDate: now\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\nContent-Length: 2\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: a=2\r\n\r\nhi",
			"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nDate: now\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: a=2\r\n\r\nhi",
		},
		{
			"hop by hop",
			"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Mine, x-forwarded-for, Host\r\nX-Mine: 1\r\nX-Forwarded-For: 1.2.3.4\r\nKeep-Alive: 5\r\n" +
				"Proxy-Connection: a\r\nProxy-Authorization: b\r\nTE: trailers, gzip\r\nUpgrade: h2c\r\nX-Stays: 1\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Stays: 1\r\nTE: trailers\r\n\r\n",
			"HTTP/1.1 200 OK\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Stays: 1\r\nConnection: close\r\n\r\n",
		},
		{
			"post", "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nx: y\r\n\r\nhello", "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nx: y\r\n\r\nhello",
			"HTTP/1.1 201 Created\r\nContent-Length: 1\r\nContent-Type: a\r\n\r\nx", "HTTP/1.1 201 Created\r\nContent-Type: a\r\nContent-Length: 1\r\n\r\nx",
		},
		{
			"post of nothing", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
		},
		{
			"chunks and trailers", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
			"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5;ext=1\r\nhello\r\n0\r\nx-sum: 2\r\nx-undeclared: 3\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 2\r\nx-undeclared: 3\r\n\r\n",
		},
		{
			"expect", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		},
		{"head with length", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
		{"head in chunks", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n\r\n"},
		{"head of nothing", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n\r\n"},
		{"304", get, getAtBackend, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 500\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: \"x\"\r\n\r\n"},
		{"odd status", get, getAtBackend, "HTTP/1.1 799 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 799 "},
		{"bare line feeds", get, getAtBackend, "HTTP/1.1 200 OK\ncontent-length: 2\nx: y\n\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\nhi"},
		{"made-up method", "FROB / HTTP/1.1\r\nHost: h\r\n\r\n", "FROB / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"},
		{"old client", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", getAtBackend, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.expect(tc.atBackend)
				c.send(tc.answer)
				c.br.ReadByte()
			}))
			c := e.dial()
			c.send(tc.request)
			c.expect(tc.atClient)
			if s := e.summary(); s.Err != nil {
				t.Errorf("summary %+v", s)
			}
			c.CloseWrite()
			if rest := c.rest(); strings.Trim(rest, "\r\nUnknow Sat") != "" && tc.name != "odd status" {
				t.Errorf("and then %q", rest)
			}
			if n := e.relay.Table.Count(nil); n != 0 {
				t.Errorf("%d entries left", n)
			}
		})
	}
}

// TestAnswerToTheEnd: a body that the connection's end ends becomes chunks.
func TestAnswerToTheEnd(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { c.head(); c.send("HTTP/1.0 200 OK\r\n\r\nall of it") }))
	resp, err := http.Get("http://" + e.addr)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || string(b) != "all of it" {
		t.Errorf("%q %v", b, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, answer string }{
		{"length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
		{"length +5", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"},
		{"length of 2^64", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n"},
		{"no length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"},
		{"gzip coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
		{"coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"folded", "HTTP/1.1 200 OK\r\na: b\r\n\tc\r\n\r\n"},
		{"space before colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"},
		{"control character", "HTTP/1.1 200 OK\r\na: b\x00c\r\n\r\n"},
		{"bare CR", "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n"},
		{"HTTP/2", "HTTP/2 200\r\n\r\n"},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"},
		{"status 20", "HTTP/1.1 20 OK\r\n\r\n"},
		{"status 2000", "HTTP/1.1 2000 OK\r\n\r\n"},
		{"status 099", "HTTP/1.1 099 OK\r\n\r\n"},
		{"switch unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) { c.head(); c.send(tc.answer); c.br.ReadByte() }))
			c := e.dial()
			c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			c.expect("HTTP/1.1 502 Bad Gateway\r\n")
			var ue *UpstreamError
			if err := e.failure(); !errors.As(err, &ue) || ue.Stage != StageAnswer || ue.Timeout() {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestBrokenBodies: an answer that breaks off must not look whole.
func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, answer string }{
		{"short", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello"},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello"},
		{"no chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n"},
		{"long chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n"},
		{"huge chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello\r\n0\r\n\r\n"},
		{"no trailers' end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\na: b\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) { c.head(); c.send(tc.answer) }))
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + e.addr)
			if err == nil {
				var b []byte
				if b, err = io.ReadAll(resp.Body); err == nil {
					t.Errorf("looked whole: %q", b)
				}
			}
			if s := e.summary(); s.Err == nil {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

// TestEventStream: an event arrives before the backend has sent the next.
func TestEventStream(t *testing.T) {
	t.Parallel()
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 30\r\n\r\n",
	} {
		chunked, sized := strings.Contains(head, "chunked"), strings.Contains(head, "Length")
		seen := make(chan struct{})
		e := newEdge(t, backend(t, func(c *raw) {
			c.head()
			c.send(head)
			for i := range 3 {
				<-seen
				event := fmt.Sprintf("data: %d\n\n\n", i)
				if chunked {
					event = fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
				}
				c.send(event)
			}
			if chunked {
				c.send("0\r\n\r\n")
			}
		}))
		c := e.dial()
		c.send("GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
		if h := c.head(); strings.Contains(h, "Content-Length") != sized { // before any event
			t.Fatalf("head %q", h)
		}
		for i := range 3 {
			seen <- struct{}{}
			if event := fmt.Sprintf("data: %d\n\n\n", i); sized {
				c.expect(event)
			} else {
				c.expect(fmt.Sprintf("%x\r\n%s\r\n", len(event), event))
			}
		}
		if s := e.summary(); s.Err != nil || s.BytesOut != 30 {
			t.Errorf("summary %+v", s)
		}
	}
}

// TestBothWaysAtOnce: a client and a backend that answer each other's chunks.
func TestBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := range 10 {
			c.expect(fmt.Sprintf("6\r\nping %d\r\n", i))
			c.send(fmt.Sprintf("6\r\npong %d\r\n", i))
		}
		c.expect("0\r\n\r\n")
		c.send("0\r\n\r\n")
	}))
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.head()
	for i := range 10 {
		c.send(fmt.Sprintf("6\r\nping %d\r\n", i))
		c.expect(fmt.Sprintf("6\r\npong %d\r\n", i))
	}
	c.send("0\r\n\r\n")
	c.expect("0\r\n\r\n")
	if rest := c.rest(); rest != "" {
		t.Errorf("and then %q", rest)
	}
	if s := e.summary(); s.Err != nil || s.BytesIn != 60 || s.BytesOut != 60 {
		t.Errorf("summary %+v", s)
	}
}

// TestBigBodies: 64 MiB up and the same down, checked, in bounded memory.
func TestBigBodies(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	for _, chunked := range []bool{false, true} {
		e := newEdge(t, backend(t, func(c *raw) {
			req, err := http.ReadRequest(c.br)
			if err != nil {
				return
			}
			h := sha256.New()
			n, err := io.Copy(h, req.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Sum: %x %d %v\r\n", h.Sum(nil), n, err)
			resp := random(size)
			if !chunked {
				fmt.Fprintf(c, "Content-Length: %d\r\n\r\n", size)
				io.Copy(c, resp)
				return
			}
			c.send("Transfer-Encoding: chunked\r\n\r\n")
			buf := make([]byte, 100000)
			for {
				n, err := resp.Read(buf)
				if err != nil {
					break
				}
				fmt.Fprintf(c, "%x\r\n%s\r\n", n, buf[:n])
			}
			c.send("0\r\n\r\n")
		}))
		h := sha256.New()
		io.Copy(h, random(size))
		sum := fmt.Sprintf("%x", h.Sum(nil))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+e.addr, random(size))
		if !chunked {
			req.ContentLength = size
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := resp.Header.Get("X-Sum"), fmt.Sprintf("%s %d <nil>", sum, size); got != want {
			t.Errorf("at the backend %q, want %q", got, want)
		}
		h.Reset()
		if n, err := io.Copy(h, resp.Body); err != nil || n != size || fmt.Sprintf("%x", h.Sum(nil)) != sum {
			t.Errorf("at the client %d bytes, %v", n, err)
		}
		resp.Body.Close()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 48<<20 {
			t.Errorf("heap grew by %d MiB", grown>>20)
		}
		if s := e.summary(); s.Err != nil || s.BytesIn != size || s.BytesOut != size {
			t.Errorf("summary %+v", s)
		}
	}
}

func random(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{7}), n) }

// TestEarlyAnswer: a backend that answers while its client still sends; the client
// gets the whole answer, not a reset.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"too big", text(300000)} {
		e := newEdge(t, backend(t, func(c *raw) {
			c.head()
			c.send(fmt.Sprintf("HTTP/1.1 413 Too Big\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			io.Copy(io.Discard, c.br)
		}))
		c := e.dial()
		c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() {
			for p := make([]byte, 64<<10); ; {
				if _, err := c.Write(p); err != nil {
					return
				}
			}
		})
		h := c.head()
		got := make([]byte, len(body))
		_, err := io.ReadFull(c.br, got)
		if err != nil || string(got) != body || !strings.Contains(h, "413 Too Big") || !strings.Contains(h, "Connection: close") {
			t.Errorf("head %q, %d bytes, %v", h, len(got), err)
		}
		wg.Wait()
		e.summary()
	}
}

// TestClientGone: the upstream is closed when the client leaves, while it waits
// for an answer and in the middle of one.
func TestClientGone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, request, answer string }{
		{"waiting", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", ""},
		{"streaming", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata\n\n"},
		{"sending", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + text(9000), ""},
		{"sending chunks", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			arrived, closed := make(chan struct{}), make(chan string, 1)
			e := newEdge(t, backend(t, func(c *raw) {
				c.head()
				c.send(tc.answer)
				close(arrived)
				rest, _ := io.ReadAll(c.br)
				closed <- string(rest)
			}))
			c := e.dial()
			c.send(tc.request)
			<-arrived
			if tc.answer != "" {
				c.head()
			}
			c.Close()
			select {
			case rest := <-closed:
				if strings.Contains(rest, "0\r\n") {
					t.Errorf("a body that was cut looks whole: %q", rest)
				}
			case <-time.After(wait):
				t.Fatal("the upstream was not closed")
			}
			if tc.answer != "" {
				if s := e.summary(); !errors.Is(s.Err, ErrClientGone) {
					t.Errorf("summary %+v", s)
				}
			} else if err := e.failure(); !errors.Is(err, ErrClientGone) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestStreamLimits: policies and revocation cut a stream that is under way.
func TestStreamLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		pol  Policy
		is   error
	}{
		{"idle", Policy{IdleTimeout: 50 * time.Millisecond}, ErrPolicy},
		{"duration", Policy{MaxDuration: 50 * time.Millisecond}, ErrPolicy},
		{"bytes", Policy{MaxBytes: 3}, ErrPolicy},
		{"revoked", Policy{}, ErrClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, backend(t, func(c *raw) {
				c.head()
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
				c.br.ReadByte()
			}), func(e *edge) { e.policy = tc.pol })
			c := e.dial()
			c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			c.head()
			if tc.name == "revoked" {
				e.relay.Table.Close(nil, 1008, "revoked")
			}
			rest, _ := io.ReadAll(c.br)
			if strings.Contains(string(rest), "0\r\n") {
				t.Errorf("looked whole: %q", rest)
			}
			if s := e.summary(); !errors.Is(s.Err, tc.is) {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

func TestResponseTimeout(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { c.head(); c.br.ReadByte() }), func(e *edge) { e.relay.ResponseTimeout = 200 * time.Millisecond })
	c := e.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	c.expect("HTTP/1.1 502")
	var ue *UpstreamError
	if err := e.failure(); !errors.As(err, &ue) || ue.Stage != StageHead || !ue.Timeout() || !ue.Started {
		t.Errorf("error %v", err)
	}
}

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

// TestNoSmuggling: after a failed request whose body was not read, the rest of it
// is not taken for a request.
func TestNoSmuggling(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { c.head() }))
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n" + text(9000)) // fasthttp waits for 8 KiB
	c.expect("HTTP/1.1 502")
	c.send(strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", 1000))
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

// TestHeadErrors: a head that cannot be written is refused before the dial.
func TestHeadErrors(t *testing.T) {
	t.Parallel()
	for _, h := range []Head{
		{Method: "G T", Target: "/"},
		{Method: "GET", Target: "/a b"},
		{Method: "GET", Target: ""},
		{Method: "GET", Target: "/\r\nX: y"},
		{Method: "GET", Target: "/", Headers: []Header{{"a b", "c"}}},
		{Method: "GET", Target: "/", Headers: []Header{{"a", "b\r\nc: d"}}},
		{Method: "GET", Target: "/", Headers: []Header{{"", "b"}}},
	} {
		if _, err := appendRequest(nil, &h, false); !errors.Is(err, ErrHead) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

// FuzzAnswer: what is parsed can be sent on and means the same to another reader.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 404 \r\ntransfer-encoding: CHUNKED\r\nConnection: x, close\r\nX: y\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 304 Not\nA: b\n\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		n := headEnd(head, 0)
		if n == 0 {
			return
		}
		a, err := parseAnswer(head[:n], "GET")
		if err != nil {
			if !errors.Is(err, errAnswer) {
				t.Fatalf("%v is not errAnswer", err)
			}
			return
		}
		out := a.appendAnswer(nil, true)
		if headEnd(out, 0) != len(out) {
			t.Fatalf("%q has an empty line inside", out)
		}
		if a.status < 200 {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if a.length >= 0 && resp.ContentLength != a.length || a.length == lengthChunked && len(resp.TransferEncoding) != 1 {
			t.Fatalf("%q: length %d, want %d", out, resp.ContentLength, a.length)
		}
	})
}

// FuzzChunkSize compares with net/http's reader through a whole body.
func FuzzChunkSize(f *testing.F) {
	for _, s := range []string{"5", "0", "ff;a=b", "", "g", "10000000000000000", "5 ;x", " 5"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		n, err := chunkSize(line)
		if err == nil && n < 0 {
			t.Fatalf("%q: %d", line, n)
		}
		if err == nil {
			if m, err := chunkSize(fmt.Appendf(nil, "%x", n)); m != n || err != nil {
				t.Fatalf("%q: %d, again %d %v", line, n, m, err)
			}
		}
	})
}
