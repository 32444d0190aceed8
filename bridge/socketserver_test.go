package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestAcceptSocket joins both ends of a WebSocket in memory.
func TestAcceptSocket(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	type accepted struct {
		s   *Socket
		err error
	}
	served := make(chan accepted, 1)
	go func() {
		s, err := AcceptSocket(t.Context(), there, SocketLimits{MessageBytes: 8})
		served <- accepted{s, err}
	}()
	c, err := OpenSocket(t.Context(), here, SocketOptions{Protocols: []string{"one", "two"}})
	a := <-served
	if err != nil || a.err != nil {
		t.Fatal(err, a.err)
	}
	if c.Protocol() != "one" || a.s.Protocol() != "one" {
		t.Errorf("spoken are %q and %q", c.Protocol(), a.s.Protocol())
	}
	for from, to := range map[*Socket]*Socket{c: a.s, a.s: c} {
		if err := from.Send(t.Context(), opBinary, []byte("12345678")); err != nil {
			t.Fatal(err)
		}
		if op, p, err := to.Receive(t.Context()); err != nil || op != opBinary || string(p) != "12345678" {
			t.Fatalf("got %d %q, %v", op, p, err)
		}
	}
	go c.Send(t.Context(), opText, []byte("123456789")) // cut short by the end
	if _, _, err := a.s.Receive(t.Context()); !errors.Is(err, ErrMessageTooBig) {
		t.Errorf("a message that is too big: %v", err)
	}
	var end *SocketClosed
	if _, _, err := c.Receive(t.Context()); !errors.As(err, &end) || end.Code != closeTooBig {
		t.Errorf("the client was told %v", err)
	}
	for _, s := range []*Socket{a.s, c} {
		if err := s.Close(closeNormal, ""); err != nil {
			t.Error(err)
		}
	}
}

// TestAcceptSocketRefuses closes the connection of what is no handshake, and of what
// never comes.
func TestAcceptSocketRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, head string }{
		{"no HTTP", "hello\r\n\r\n"},
		{"no handshake", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"no key", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n"},
		{"nothing", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			here, there := net.Pipe()
			go io.WriteString(here, tt.head)
			s, err := AcceptSocket(t.Context(), there, SocketLimits{Handshake: 100 * time.Millisecond})
			if err == nil || s != nil {
				t.Fatal("a WebSocket was made of it")
			}
			if tt.head == "" && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the wait ended with %v", err)
			}
			if got, err := io.ReadAll(here); len(bytes.TrimSpace(got)) > 0 || err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("the client was told %q, %v", got, err)
			}
		})
	}
}
