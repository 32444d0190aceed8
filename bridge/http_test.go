package bridge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
			"HTTP/1.1 200 Fine\r\nDate: now\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\nContent-Length: 2\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: a=2\r\n\r\nhi",
		},
		{
			"hop by hop",
			"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Mine, x-forwarded-for, Host\r\nX-Mine: 1\r\nX-Forwarded-For: 1.2.3.4\r\nKeep-Alive: 5\r\n" +
				"Proxy-Connection: a\r\nProxy-Authorization: b\r\nTE: trailers, gzip\r\nUpgrade: h2c\r\nX-Stays: 1\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Stays: 1\r\nTE: trailers\r\n\r\n",
			"HTTP/1.1 200 OK\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nX-Stays: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		},
		{
			"post", "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nx: y\r\n\r\nhello", "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nx: y\r\n\r\nhello",
			"HTTP/1.1 201 Created\r\ncontent-length: 1\r\nContent-Type: a\r\n\r\nx", "HTTP/1.1 201 Created\r\ncontent-length: 1\r\nContent-Type: a\r\n\r\nx",
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
			"trailers that must not be", "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sandbox-Id, X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sandbox-Id: evil\r\nX-Sum: 1\r\n\r\n",
			"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nContent-Length: 5\r\nHost: h\r\nx-sum: 2\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 2\r\n\r\n",
		},
		{
			"expect", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		},
		{"head with length", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
		{"head in chunks", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n"},
		{"head of nothing", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n\r\n"},
		{"304", get, getAtBackend, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 500\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 500\r\n\r\n"},
		{"odd status", get, getAtBackend, "HTTP/1.1 799 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 799 \r\nContent-Length: 0\r\n\r\n"},
		{"bare line feeds", get, getAtBackend, "HTTP/1.1 200 OK\ncontent-length: 2\nx: y\n\nhi", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\nhi"},
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
			if rest := c.rest(); rest != "" {
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

func TestResponseTimeout(t *testing.T) {
	t.Parallel()
	e := newEdge(t, backend(t, func(c *raw) { c.head(); c.br.ReadByte() }), func(e *edge) {
		e.relay.ResponseTimeout = 200 * time.Millisecond
		e.wrap = func(c net.Conn) net.Conn { return &dueAfter{Conn: c} } // the request goes out first
	})
	c := e.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	c.expect("HTTP/1.1 502")
	var ue *UpstreamError
	if err := e.failure(); !errors.As(err, &ue) || ue.Stage != StageHead || !ue.Timeout() || !ue.Started {
		t.Errorf("error %v", err)
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
