package host

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// TestLinger wants a client that is answered while it sends to be able to send
// on until it reads the answer: a reset would take the answer away.
func TestLinger(t *testing.T) {
	t.Parallel()
	refused := decide(func(context.Context, *abi.Request) (abi.Decision, error) { return text(401, "no"), nil })
	streamed := decide(func(context.Context, *abi.Request) (abi.Decision, error) {
		return &abi.Respond{Status: 401, Stream: io.NopCloser(strings.NewReader("no"))}, nil
	})
	half := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		_, err := io.CopyN(io.Discard, req.Body, 1<<20)
		return text(413, "too much"), err
	})
	for _, tt := range []struct {
		name    string
		decider Decider
		head    string
		secure  bool
		status  int
	}{
		{"refused", refused, "Host: a\r\nContent-Length: 1000000000\r\n", false, 401},
		{"in chunks", refused, "Host: a\r\nTransfer-Encoding: chunked\r\n", false, 401},
		{"over TLS", refused, "Host: a\r\nContent-Length: 1000000000\r\n", true, 401},
		{"answer in pieces", streamed, "Host: a\r\nContent-Length: 1000000000\r\n", false, 401},
		{"half of it is read", half, "Host: a\r\nContent-Length: 1000000000\r\n", false, 413},
		{"no host", refused, "Content-Length: 1000000000\r\n", false, 400},
		{"no HTTP", refused, "Host: a\r\nContent-Length: 1000000000\r\nContent-Length: 1\r\n", false, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &entry{}
			if tt.secure {
				e.tls = serverTLS(t)
			}
			r := startAt(t, &Server{patience: time.Minute}, all(tt.decider), e)
			c := r.dial(t)
			if tt.secure {
				c = r.dialTLS(t)
			}
			c.send("POST / HTTP/1.1\r\n" + tt.head + "\r\n")
			if err := c.keepSending(16 << 20); err != nil { // more than the sockets hold
				t.Fatalf("sending: %v", err)
			}
			if got := c.answer("POST"); got.StatusCode != tt.status || !got.Close {
				t.Errorf("answer %d, close %v", got.StatusCode, got.Close)
			}
		})
	}
	t.Run("for a while", func(t *testing.T) {
		t.Parallel()
		c := start(t, &Server{patience: 50 * time.Millisecond}, all(refused)).dial(t)
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n")
		for {
			err := c.keepSending(1 << 20)
			if err == nil {
				continue
			}
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("sending without an end ended with %v", err)
			}
			return
		}
	})
}

// keepSending sends at least size bytes, which are chunks if somebody looks.
func (c *client) keepSending(size int) error {
	chunk := "8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n"
	for n := 0; n < size; n += len(chunk) {
		if _, err := io.WriteString(c, chunk); err != nil {
			return err
		}
	}
	return nil
}
