package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// TestStalls wants every silence of a client bounded, and an answer where one is
// possible.
func TestStalls(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	head := "Host: localhost\r\nAuthorization: Bearer " + testToken + "\r\n"
	for _, tt := range []struct {
		name, send string
		pace       func(*pace)
		want       string // how the answer begins
		code       string
	}{
		{"in the head", "GET /v1/version HTTP/1.1\r\nHost: loc", func(p *pace) { p.head = short }, "", ""},
		{"between requests", "GET /v1/version HTTP/1.1\r\n" + head + "\r\n", func(p *pace) { p.idle = short }, "HTTP/1.1 200", ""},
		{"in a call", "POST " + box + "/exec HTTP/1.1\r\n" + head + "Content-Length: 100\r\n\r\n{", func(p *pace) { p.body = short }, "HTTP/1.1 504", "TIMEOUT"},
		{"in a chunk", "POST " + box + "/exec HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{", func(p *pace) { p.body = short }, "HTTP/1.1 504", "TIMEOUT"},
		{"in an upload", "PUT " + box + "/writeFileStream?path=a HTTP/1.1\r\n" + head + "Content-Length: 100\r\n\r\nx", func(p *pace) { p.upload = short }, "HTTP/1.1 504", "TIMEOUT"},
		{"without a token, in a body", "POST " + box + "/exec HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", func(p *pace) { p.drain = short }, "HTTP/1.1 401", "DENIED"},
		{"in a body that nobody wants", "POST " + box + "/fly HTTP/1.1\r\n" + head + "Content-Length: 100\r\n\r\n{", func(p *pace) { p.drain = short }, "HTTP/1.1 404", "UNKNOWN"},
		{"longer than it said itself", "PUT " + box + "/writeFileStream?path=a HTTP/1.1\r\n" + head + "Edge-Timeout: 50ms\r\nContent-Length: 100\r\n\r\nx", func(*pace) {}, "HTTP/1.1 504", "TIMEOUT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &Server{pace: hurry(tt.pace), Operations: opening(t, func(s *fakeStream, _ json.RawMessage) error {
				for {
					m, err := s.next()
					if err != nil {
						return err
					}
					if m.opcode == 1 {
						t.Error("half an upload was ended")
					}
				}
			})})
			got := raw(t, "tcp", w.addr, tt.send)
			if !strings.HasPrefix(got, tt.want) || !strings.Contains(got, tt.code) || tt.want == "" && got != "" && !strings.HasPrefix(got, "HTTP/1.1 408") {
				t.Errorf("got %q", got)
			}
		})
	}
	t.Run("before a WebSocket's request", func(t *testing.T) {
		t.Parallel()
		w := start(t, &Server{pace: hurry(func(p *pace) { p.first = short }), Operations: &fakeOperations{}})
		if _, code := readAll(t, w.dial("terminal", "")); code != websocket.ClosePolicyViolation {
			t.Errorf("closed with %d", code)
		}
	})
}

// TestUnreadSmallAnswers wants a client cut off that asks and asks and never reads,
// though each answer fits into the server's buffer.
func TestUnreadSmallAnswers(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{pace: hurry(func(p *pace) { p.answer = 100 * time.Millisecond })})
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	for err == nil {
		_, err = io.WriteString(c, strings.Repeat("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 100))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server still waits for its answers to be read")
	}
}

// TestLongPathsAreCutInTheLog wants no log filled by who has no token.
func TestLongPathsAreCutInTheLog(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{})
	raw(t, "tcp", w.addr, "GET /"+strings.Repeat("x", 10_000)+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if n := len(w.log.String()); n > 1000 {
		t.Errorf("the log has %d bytes", n)
	}
}

// TestUnreadAnswer wants a client that does not read its answer cut off.
func TestUnreadAnswer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	w := start(t, &Server{pace: hurry(func(p *pace) { p.answer = 100 * time.Millisecond }), Operations: &fakeOperations{
		operate: func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
			context.AfterFunc(ctx, func() { close(gone) })
			return json.Marshal(strings.Repeat("x", 32<<20))
		},
	}})
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST %s/readFile HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", box, testToken)
	await(t, "the server to give up", gone)
	if n, _ := io.Copy(io.Discard, c); n >= 32<<20 {
		t.Errorf("%d bytes came", n)
	}
}
