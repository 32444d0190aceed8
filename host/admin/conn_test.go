package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// diskFull takes a piece of an upload, and then no more.
func diskFull(s *fakeStream, _ json.RawMessage) error {
	_, _ = s.next()
	return abi.Errorf(abi.CodeQuotaExceeded, "disk full")
}

// TestUploadFailsEarly wants a failure told while the client still sends.
func TestUploadFailsEarly(t *testing.T) {
	t.Parallel()
	w := start(t, &Server{pace: hurry(func(p *pace) { p.drain = patience }), Operations: opening(t, diskFull)})
	body, feed := io.Pipe()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for { // as much as is taken, and never an end
			if _, err := feed.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}()
	got := w.do(w.request("PUT", box+"/writeFileStream?path=a", body))
	_ = body.Close()
	await(t, "the client", fed)
	if got.StatusCode != 429 || got.code() != abi.CodeQuotaExceeded {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// TestLinger wants the connection of a client that was answered while it sends
// to take its bytes until it reads the answer, and so not to be reset.
func TestLinger(t *testing.T) {
	t.Parallel()
	const unread = 16 << 20 // more than the sockets hold
	upload := "PUT " + box + "/writeFileStream?path=a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
	token := "Authorization: Bearer " + testToken + "\r\n"
	for _, tt := range []struct {
		name, head string
		unix       bool
		status     int
	}{
		{"an upload that fails", upload + token, false, 429},
		{"over the Unix socket", upload, true, 429},
		{"without a token", upload, false, 401},
		{"nobody's body", strings.Replace(upload, "/writeFileStream", "/fly", 1) + token, false, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &Server{pace: hurry(func(p *pace) { p.drain = patience }), Operations: opening(t, diskFull)})
			network, addr := "tcp", w.addr
			if tt.unix {
				if network, addr = "unix", w.socket; errNoPeers != nil {
					t.Skip(errNoPeers)
				}
			}
			c, err := keepSending(t, network, addr, tt.head, unread)
			if err != nil {
				t.Fatalf("sending: %v", err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("answered %d, closes: %v; want %d", resp.StatusCode, resp.Close, tt.status)
			}
		})
	}
	t.Run("for a while", func(t *testing.T) {
		t.Parallel()
		w := start(t, &Server{pace: hurry(func(p *pace) { p.drain = 50 * time.Millisecond }), Operations: opening(t, diskFull)})
		_, err := keepSending(t, "tcp", w.addr, upload+token, math.MaxInt)
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("sending without an end ended with %v", err)
		}
	})
}

// keepSending sends a request whose body has no end: at least size bytes of it.
// The error is of sending.
func keepSending(t *testing.T, network, addr, head string, size int) (net.Conn, error) {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(c, head+"\r\n")
	chunk := "8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n"
	for n := 0; n < size && err == nil; n += 0x8000 {
		_, err = io.WriteString(c, chunk)
	}
	return c, err
}
