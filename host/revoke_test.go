package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// longFrame is a final binary frame whose payload is size bytes, all n; a
// client's is masked, with zeros.
func longFrame(n byte, size int, masked bool) []byte {
	f := []byte{0x82, 127}
	f = binary.BigEndian.AppendUint64(f, uint64(size))
	if masked {
		f[1] |= 0x80
		f = append(f, 0, 0, 0, 0)
	}
	return append(f, bytes.Repeat([]byte{n}, size)...)
}

// ending is how a stream of frames ended.
type ending struct {
	frames int
	code   int // of the close frame; 0 if there was none
	err    error
}

// readFrames reads frames of size bytes, each of which must be whole and follow
// the one before, up to a close frame.
func readFrames(r io.Reader, size int, arrived chan<- struct{}) ending {
	var e ending
	buf := make([]byte, size)
	for {
		var h [14]byte
		if _, err := io.ReadFull(r, h[:2]); err != nil {
			e.err = err
			return e
		}
		n, rest := int(h[1]&0x7f), 4*int(h[1]>>7)
		if n == 127 {
			rest += 8
		}
		if _, err := io.ReadFull(r, h[2:2+rest]); err != nil {
			e.err = fmt.Errorf("torn in a head: %w", err)
			return e
		}
		if n == 127 {
			n = int(binary.BigEndian.Uint64(h[2:]))
		}
		if n > size {
			e.err = fmt.Errorf("a frame of %d bytes", n)
			return e
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			e.err = fmt.Errorf("torn: %w", err)
			return e
		}
		op := h[0]
		if h[1]&0x80 != 0 {
			for i := 0; i < n && op == 0x88; i++ { // the edge's own; the client's keys are zeros
				buf[i] ^= h[rest-2+i%4]
			}
		}
		switch {
		case op == 0x88 && n >= 2:
			e.code = int(binary.BigEndian.Uint16(buf))
			return e
		case op != 0x82 || n != size || bytes.Count(buf, []byte{byte(e.frames)}) != size:
			e.err = fmt.Errorf("frame %d is not what was sent: %x with %d bytes", e.frames, op, n)
			return e
		}
		if e.frames++; arrived != nil && e.frames == 3 {
			close(arrived)
		}
	}
}

// writeFrames sends frames until that fails.
func writeFrames(w io.Writer, size int, masked bool, done chan<- struct{}) {
	defer close(done)
	for n := 0; ; n++ {
		if _, err := w.Write(longFrame(byte(n), size, masked)); err != nil {
			return
		}
	}
}

const (
	outSize, inSize = 20_000, 10_000 // more than one read of a busy bridge ends in the middle
)

// shortQueue keeps what waits to be read small: a close frame comes behind it, and
// the bridge gives it two seconds. It holds some segments of loopback, of 64 KiB.
func shortQueue(c net.Conn) { _ = c.(*net.TCPConn).SetReadBuffer(256 << 10) }

// torrent accepts a WebSocket, sends as fast as it can and tells how what it was
// sent ended.
func torrent(endings chan<- ending) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.(http.Flusher).Flush()
			<-r.Context().Done() // an answer that does not end
			return
		}
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		shortQueue(c)
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			accept(r.Header.Get("Sec-WebSocket-Key")))
		_ = rw.Flush()
		done := make(chan struct{})
		go writeFrames(c, outSize, false, done)
		endings <- readFrames(bufio.NewReader(c), inSize, nil)
		_ = c.Close()
		<-done
	}
}

// TestRevocation ends a WebSocket that is busy both ways in each way there is: both
// ends get whole frames and then one close frame with the code.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*running, Connections)
		code int
		// answers tells whether an HTTP answer under way is cut as well.
		answers bool
	}{
		{"taken back, or expired", func(_ *running, c Connections) {
			c.Close(c.Through("Sandbox", "a", 8080), 1008, "the exposure expired")
		}, 1008, true},
		{"stopped", func(_ *running, c Connections) { c.CloseSockets("Sandbox", "a", 1, 1012, "the sandbox is stopping") }, 1012, false},
		{"ended", func(_ *running, c Connections) { c.CloseSandbox("Sandbox", "a", 1, 1012, "the sandbox was destroyed") }, 1012, true},
		{"drained", func(r *running, _ Connections) {
			go func() { _ = r.Shutdown(context.Background()) }() // start waits for its end
		}, 1001, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			endings := make(chan ending, 1)
			f := boxes(newBox("a", map[int]string{8080: backend(t, torrent(endings))}))
			f.labels = map[string]sandboxmgr.Exposure{"8080-a-tok": {Ref: ref("a"), Port: 8080}}
			table := &bridge.Table{}
			relay := &bridge.Relay{Table: table}
			r := start(t, &Server{boxes: f, Relay: relay, DrainTimeout: time.Millisecond}, all(always(&abi.Next{})))
			slow := r.dial(t)
			slow.send("GET / HTTP/1.1\r\nHost: 8080-a-tok.localhost\r\n\r\n")
			if resp, err := http.ReadResponse(slow.r, nil); err != nil || resp.StatusCode != 200 {
				t.Fatalf("answer that does not end: %v", err)
			}
			c := r.dial(t)
			shortQueue(c.Conn)
			c.send("GET / HTTP/1.1\r\nHost: 8080-a-tok.localhost\r\n" + handshake + "\r\n")
			if got := c.answer("GET"); got.StatusCode != 101 {
				t.Fatalf("handshake: %d %s", got.StatusCode, got.body)
			}
			wrote, busy, mine := make(chan struct{}), make(chan struct{}), make(chan ending, 1)
			go writeFrames(c, inSize, true, wrote)
			go func() { mine <- readFrames(c.r, outSize, busy) }()
			<-busy
			tt.end(r, Connections{Table: table, Relay: relay})
			for who, ended := range map[string]<-chan ending{"client": mine, "backend": endings} {
				if e := <-ended; e.err != nil || e.code != tt.code {
					t.Errorf("the %s: %d frames, then close %d, %v; want close %d", who, e.frames, e.code, e.err, tt.code)
				}
			}
			_ = c.Close()
			<-wrote
			if !tt.answers {
				if n := table.Count(nil); n == 0 {
					t.Error("the HTTP answer was cut too")
				}
				Connections{Table: table, Relay: relay}.CloseSandbox("Sandbox", "a", 1, 1012, "")
			}
			if !slow.eof() {
				t.Error("the HTTP answer goes on")
			}
		})
	}
}
