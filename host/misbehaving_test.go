package host

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// rogue is a backend that answers "/good" as one should and everything else as the
// test says.
type rogue struct {
	t    testing.TB
	addr string
	// bad answers; what it returns false for is closed.
	bad func(c *net.TCPConn, head string) (keep bool)
	// greet, if there is one, is sent before anything was asked.
	greet string
}

const (
	evil       = "EVIL"
	evilAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + evil
	goodAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
)

func (b *rogue) start() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.addr = ln.Addr().String()
	var all sync.WaitGroup
	b.t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.serve(c.(*net.TCPConn)) })
		}
	})
}

func (b *rogue) serve(c *net.TCPConn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, b.greet)
	for r := bufio.NewReader(c); ; {
		head, err := readHead(r)
		if err != nil {
			return
		}
		if !strings.Contains(head, "/good ") {
			if !b.bad(c, head) {
				return
			}
		} else if _, err := io.WriteString(c, goodAnswer); err != nil {
			return
		}
	}
}

// says answers with fixed bytes, and closes unless keep.
func says(answer string, keep bool) func(*net.TCPConn, string) bool {
	return func(c *net.TCPConn, _ string) bool {
		_, err := io.WriteString(c, answer)
		return err == nil && keep
	}
}

// forever repeats a piece until the other end has had enough.
func forever(begin, piece string) func(*net.TCPConn, string) bool {
	return func(c *net.TCPConn, _ string) bool {
		_, err := io.WriteString(c, begin)
		for p := strings.Repeat(piece, 1+4096/len(piece)); err == nil; {
			_, err = io.WriteString(c, p)
		}
		return false
	}
}

// What a client may be answered to a request whose backend misbehaves.
const (
	refused = "502"        // the edge's own answer
	cut     = "broken off" // the beginning of an answer, and the end of the connection
)

// TestMisbehavingBackends: through a preview, whatever a server does, its client gets
// an answer that is whole, the edge's 502, or a connection that breaks off. What it
// sends beyond that is never part of another answer, and the next request is served.
func TestMisbehavingBackends(t *testing.T) {
	t.Parallel()
	head := func(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" }
	for _, tt := range []struct {
		name string
		bad  func(*net.TCPConn, string) bool
		want string // a status and body, or refused or cut
		// method and body of the request; a GET with none by default
		method, body string
		greet        string
	}{
		{name: "two answers", bad: says(head("Content-Length: 2\r\n")+"ok"+evilAnswer, true), want: "200 ok"},
		{name: "two answers, then its end", bad: says(head("Content-Length: 2\r\n")+"ok"+evilAnswer, false), want: "200 ok"},
		{name: "two answers in chunks", bad: says(head("Transfer-Encoding: chunked\r\n")+"2\r\nok\r\n0\r\n\r\n"+evilAnswer, true), want: "200 ok"},
		{name: "longer than its length", bad: says(head("Content-Length: 2\r\n")+"ok"+evil, true), want: "200 ok"},
		{name: "half an answer behind it", bad: says(head("Content-Length: 2\r\n")+"okHTTP/1.1 200 OK\r\nX-Half: ", true), want: "200 ok"},
		{name: "shorter than its length", bad: says(head("Content-Length: 200\r\n")+"ok", false), want: cut},
		{name: "no body at all", bad: says(head("Content-Length: 200\r\n"), false), want: cut},
		{name: "no last chunk", bad: says(head("Transfer-Encoding: chunked\r\n")+"2\r\nok\r\n", false), want: cut},
		{name: "half a chunk", bad: says(head("Transfer-Encoding: chunked\r\n")+"ff\r\nok", false), want: cut},
		{name: "chunks of garbage", bad: says(head("Transfer-Encoding: chunked\r\n")+"2\r\nok\r\nzz\r\n"+evil, true), want: cut},
		{name: "a chunk longer than its size", bad: says(head("Transfer-Encoding: chunked\r\n")+"2\r\nok"+evil+"\r\n0\r\n\r\n", true), want: cut},
		{name: "a negative chunk", bad: says(head("Transfer-Encoding: chunked\r\n")+"-2\r\nok\r\n0\r\n\r\n", true), want: cut},
		{name: "a chunk of 2^64+2", bad: says(head("Transfer-Encoding: chunked\r\n")+"10000000000000002\r\nok\r\n0\r\n\r\n", true), want: cut},
		{name: "an endless chunk size", bad: forever(head("Transfer-Encoding: chunked\r\n"), "0"), want: cut},
		{name: "an endless chunk extension", bad: forever(head("Transfer-Encoding: chunked\r\n")+"2;", "x"), want: cut},
		{name: "endless trailers", bad: forever(head("Transfer-Encoding: chunked\r\n")+"0\r\n", "X: y\r\n"), want: cut},
		{name: "trailers that frame", bad: says(head("Transfer-Encoding: chunked\r\n")+"2\r\nok\r\n0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", true), want: "200 ok"},
		{name: "a trailer with NUL", bad: says(head("Transfer-Encoding: chunked\r\n")+"2\r\nok\r\n0\r\nX: a\x00b\r\n\r\n", true), want: cut},

		{name: "endless head", bad: forever("HTTP/1.1 200 OK\r\n", "X: y\r\n"), want: refused},
		{name: "endless field", bad: forever("HTTP/1.1 200 OK\r\nX: ", "y"), want: refused},
		{name: "endless status line", bad: forever("HTTP/1.1 200 ", "y"), want: refused},
		{name: "endless noise", bad: forever("", "\x00"), want: refused},
		{name: "endless empty lines", bad: forever("", "\r\n"), want: refused},
		{name: "interim answers without end", bad: forever("", "HTTP/1.1 102 Processing\r\n\r\n"), want: refused},
		{name: "a hint, then noise", bad: says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nnoise\r\n\r\n", true), want: refused},
		{name: "101 that nobody asked for", bad: says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"+evilAnswer, true), want: refused},
		{name: "101 to h2c that nobody asked for", bad: says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"+evil, true), want: refused},
		{name: "an answer of 0.9", bad: says("<html>"+evil, false), want: refused},
		{name: "another protocol", bad: says("SSH-2.0-x\r\n", true), want: refused},
		{name: "nothing", bad: says("", false), want: refused},
		{name: "half a head", bad: says("HTTP/1.1 200 OK\r\nX: y\r\n", false), want: refused},
		{name: "reset at once", bad: func(c *net.TCPConn, _ string) bool { _ = c.SetLinger(0); return false }, want: refused},
		{name: "reset behind a part", bad: func(c *net.TCPConn, _ string) bool {
			_, _ = io.WriteString(c, head("Content-Length: 200\r\n")+"ok")
			_ = c.SetLinger(0)
			return false
		}, want: cut},

		{name: "CR in a value", bad: says(head("X: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "NUL in a value", bad: says(head("X: a\x00b\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "escape in a value", bad: says(head("X: a\x1b[2Jb\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "NUL in a name", bad: says(head("X\x00Y: a\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "space in a name", bad: says(head("X Y: a\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "space before a colon", bad: says(head("Content-Length : 2\r\n")+"ok", true), want: refused},
		{name: "no colon", bad: says(head("XY\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "NUL in the reason", bad: says("HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok", true), want: refused},
		{name: "CR in the reason", bad: says("HTTP/1.1 200 OK\rX: y\r\nContent-Length: 2\r\n\r\nok", true), want: refused},
		{name: "folded", bad: says(head("X: a\r\n b\r\nContent-Length: 2\r\n")+"ok", true), want: refused},
		{name: "folded length", bad: says(head("Content-Length:\r\n 2\r\n")+"ok", true), want: refused},
		{name: "length and coding", bad: says(head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n")+"2\r\nok\r\n0\r\n\r\n", true), want: refused},
		{name: "two lengths", bad: says(head("Content-Length: 2\r\nContent-Length: 6\r\n")+"ok"+evil, true), want: refused},
		{name: "a list of lengths", bad: says(head("Content-Length: 2, 2\r\n")+"ok", true), want: refused},
		{name: "a length with a sign", bad: says(head("Content-Length: +2\r\n")+"ok", true), want: refused},
		{name: "two codings", bad: says(head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")+"2\r\nok\r\n0\r\n\r\n", true), want: refused},
		{name: "another coding", bad: says(head("Transfer-Encoding: gzip\r\n")+evil, true), want: refused},
		{name: "chunks in 1.0", bad: says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true), want: refused},
		{name: "status of two digits", bad: says("HTTP/1.1 20 OK\r\n\r\n", true), want: refused},
		{name: "status below 100", bad: says("HTTP/1.1 099 OK\r\n\r\n", true), want: refused},

		{name: "a body behind 204", bad: says("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"+evil, true), want: "204 "},
		{name: "a body behind 304", bad: says("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"+evil, true), want: "304 "},
		{name: "a body for HEAD", bad: says(head("Content-Length: 4\r\n")+evil, true), method: "HEAD", want: "200 "},
		{name: "an answer for HEAD that is two", bad: says(head("Content-Length: 4\r\n")+evilAnswer, true), method: "HEAD", want: "200 "},
		{name: "before the request's end", bad: says(head("Content-Length: 2\r\n")+"ok", false), method: "POST", body: strings.Repeat("b", 8<<20), want: "200 ok"},
		{name: "an answer nobody asked for", bad: says(head("Content-Length: 2\r\n")+"ok", true), greet: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", want: "200 ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &rogue{t: t, bad: tt.bad, greet: tt.greet}
			b.start()
			f := boxes(newBox("a", map[int]string{8080: b.addr}))
			f.labels = map[string]sandboxmgr.Exposure{"8080-a": {Ref: ref("a"), Port: 8080, Access: abi.AccessPublic}}
			r := start(t, &Server{boxes: f, Relay: &bridge.Relay{ResponseTimeout: 10 * time.Second}}, nil)
			method := or(tt.method, "GET")
			c := r.dial(t)
			request := method + " /bad HTTP/1.1\r\nHost: 8080-a.localhost\r\n"
			if tt.body != "" {
				request += fmt.Sprintf("Content-Length: %d\r\n", len(tt.body))
			}
			var sending sync.WaitGroup
			sending.Go(func() { _, _ = io.WriteString(c, request+"\r\n"+tt.body) }) // nobody may want all of it
			got, open := outcomeOf(c, method)
			if !fits(got, tt.want) {
				t.Errorf("the client got %q, want %q", got, tt.want)
			}
			if open {
				c.send("GET /good HTTP/1.1\r\nHost: 8080-a.localhost\r\n\r\n")
				if got, _ := outcomeOf(c, "GET"); got != "200 good" && tt.greet == "" {
					t.Errorf("the next answer on the connection is %q", got)
				}
			}
			_ = c.Close()
			sending.Wait()
			if tt.greet != "" {
				return // whose answers are all one too late; they were its own
			}
			for range 3 {
				if got := r.get(t, "8080-a.localhost", "/good", ""); got.StatusCode != 200 || got.body != "good" {
					t.Errorf("another client got %d %q", got.StatusCode, got.body)
				}
			}
		})
	}
}

// outcomeOf reads one answer: its status and body, or that it broke off, and whether
// the connection can be used again.
func outcomeOf(c *client, method string) (got string, open bool) {
	for {
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			return cut, false
		}
		body, err := io.ReadAll(resp.Body)
		switch {
		case err != nil:
			return cut, false
		case resp.StatusCode < 200 && resp.StatusCode != 101:
			continue
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, body), !resp.Close
	}
}

// fits tells whether an outcome is the wanted one.
func fits(got, want string) bool {
	if want == refused {
		return strings.HasPrefix(got, "502 {") && strings.Contains(got, "BACKEND_FAILED")
	}
	return got == want
}
