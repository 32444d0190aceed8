package bridge

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
		c.send("0\r\nContent-Length: 60\r\nX-Sum: 1\r\n\r\n") // the first must not be a trailer
	}))
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.head()
	for i := range 10 {
		c.send(fmt.Sprintf("6\r\nping %d\r\n", i))
		c.expect(fmt.Sprintf("6\r\npong %d\r\n", i))
	}
	c.send("0\r\n\r\n")
	c.expect("0\r\nX-Sum: 1\r\n\r\n")
	if rest := c.rest(); rest != "" {
		t.Errorf("and then %q", rest)
	}
	if s := e.summary(); s.Err != nil || s.BytesIn != 60 || s.BytesOut != 60 {
		t.Errorf("summary %+v", s)
	}
}

// TestBigBodies: 32 MiB up and the same down, checked, in bounded memory.
func TestBigBodies(t *testing.T) { // not parallel: it watches the heap
	const size = 32 << 20
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
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 24<<20 {
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

// TestEarlyAnswerToASlowReader: a client that goes on sending and is slow to take an
// early answer gets all of it, although the edge closes on what it sends.
func TestEarlyAnswerToASlowReader(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells what a client has not taken")
	}
	t.Parallel()
	body := text(400 << 10)
	e := newEdge(t, backend(t, func(c *raw) {
		c.head()
		c.send(fmt.Sprintf("HTTP/1.1 413 Too Big\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		io.Copy(io.Discard, c.br)
	}))
	c := e.dial()
	c.SetReadBuffer(32 << 10)
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000000\r\n\r\n")
	var wg sync.WaitGroup
	wg.Go(func() {
		for p := make([]byte, 64<<10); ; {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	})
	c.head()
	got := make([]byte, len(body))
	for at := 0; at < len(got); {
		took := time.Now()
		time.Sleep(3 * LingerWait / 2) // the client's slowness
		n, err := io.ReadFull(c.br, got[at:min(at+200<<10, len(got))])
		if at += n; err != nil {
			if slow := time.Since(took); slow >= lingerIdle*LingerWait {
				t.Skipf("this machine had the client take nothing for %v", slow)
			}
			t.Fatalf("after %d bytes: %v", at, err)
		}
	}
	if string(got) != body {
		t.Error("bytes differ")
	}
	wg.Wait()
	e.summary()
}

// bounded is a host's connection that bounds each write by a deadline, and here
// counts them.
type bounded struct {
	net.Conn
	writes *atomic.Int64
}

func (c bounded) UnsafeConn() net.Conn { return c.Conn }

func (c bounded) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestEarlyAnswerKeepsToTheHost: an early answer is written through the connection
// that the host gave the server, so that a client that does not read is given up.
func TestEarlyAnswerKeepsToTheHost(t *testing.T) {
	t.Parallel()
	var writes atomic.Int64
	e := newEdge(t, backend(t, func(c *raw) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		io.Copy(io.Discard, c.br)
	}), func(e *edge) {
		e.accept = func(c net.Conn) net.Conn { return bounded{c, &writes} }
	})
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.expect("HTTP/1.1 200 OK\r\n")
	c.head()
	c.expect("ok")
	c.CloseWrite()
	e.summary()
	if writes.Load() == 0 {
		t.Error("the answer went past the host's connection")
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

// TestClientSilent: a body that stops coming is the client's failure, not the
// backend's.
func TestClientSilent(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { io.Copy(io.Discard, c.br) }), func(e *edge) { e.silence = 300 * time.Millisecond })
	c := e.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + text(9000))
	c.expect("HTTP/1.1 502")
	if err := e.failure(); !errors.Is(err, ErrClientGone) {
		t.Errorf("error %v", err)
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
		// Counted from the beginning, and long enough for the head to be there first.
		{"idle", Policy{IdleTimeout: 5 * time.Second}, ErrPolicy},
		{"duration", Policy{MaxDuration: 5 * time.Second}, ErrPolicy},
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
			s := e.summary()
			if !errors.Is(s.Err, tc.is) || tc.pol.MaxBytes > 0 && s.BytesOut > tc.pol.MaxBytes {
				t.Errorf("summary %+v", s)
			}
		})
	}
}
