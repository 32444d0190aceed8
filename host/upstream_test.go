package host

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"edge/abi"
	"edge/bridge"
)

// TestWait tries a refused port again only where the request started the sandbox.
func TestWait(t *testing.T) {
	t.Parallel()
	addr := backend(t, echoHead)
	openAfter := func(b *fakeBox, n int) {
		b.onDial = func(i int) {
			if i >= n {
				b.mu.Lock()
				b.ports = map[int]string{8080: addr}
				b.mu.Unlock()
			}
		}
	}
	tests := []struct {
		name   string
		box    func(b *fakeBox)
		status int
		code   string
		// wait is for the port, start for the sandbox: short where they run out.
		wait, start time.Duration
	}{
		{"started by the request", func(b *fakeBox) { b.started = true; openAfter(b, 4) }, 200, "", patience, patience},
		{"started meanwhile", func(b *fakeBox) { b.ready = time.Now().Add(time.Hour); openAfter(b, 4) }, 200, "", patience, patience},
		{"running before", func(b *fakeBox) { openAfter(b, 4) }, 502, "PORT_NOT_LISTENING", patience, patience},
		{"never opens", func(b *fakeBox) { b.started = true }, 502, "PORT_NOT_LISTENING", time.Second, patience},
		{"ends meanwhile", func(b *fakeBox) {
			b.started = true
			b.onDial = func(i int) {
				if i == 3 {
					close(b.ended)
				}
			}
		}, 502, "SANDBOX_EXITED", patience, patience},
		{"does not start", func(b *fakeBox) { b.block = true }, 504, "TIMEOUT", patience, 200 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", nil)
			tt.box(box)
			pol := abi.Policy{Wait: abi.Duration(tt.wait)}
			r := start(t, &Server{boxes: boxes(box), StartTimeout: tt.start}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080, Policy: pol})))
			got := r.get(t, "a", "/", "")
			if got.StatusCode != tt.status || !strings.Contains(got.body, tt.code) {
				t.Errorf("answer %d %s, want %d %s", got.StatusCode, got.body, tt.status, tt.code)
			}
		})
	}
}

// TestBadBackends wants the right word for each way a backend can fail.
func TestBadBackends(t *testing.T) {
	t.Parallel()
	raw := func(answer string) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go serveRaw(ln, answer)
		return ln.Addr().String()
	}
	tests := []struct {
		name, answer string
		upgrade      bool
		status       int
		code         string
	}{
		{"closes", "", false, 502, "BACKEND_FAILED"},
		{"garbage", "hello\r\n\r\n", false, 502, "BACKEND_FAILED"},
		{"closes on upgrade", "", true, 502, "UPGRADE_FAILED"},
		{"garbage on upgrade", "SSH-2.0\r\n", true, 502, "UPGRADE_FAILED"},
		{"wrong accept key", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: nope\r\n\r\n", true, 502, "UPGRADE_FAILED"},
		{"404 to upgrade", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", true, 404, "no"},
		{"200 to upgrade", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", true, 200, "yes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", map[int]string{8080: raw(tt.answer)})
			r := start(t, &Server{boxes: boxes(box)}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
			extra := ""
			if tt.upgrade {
				extra = handshake
			}
			got := r.get(t, "a", "/", extra)
			if got.StatusCode != tt.status || !strings.Contains(got.body, tt.code) {
				t.Errorf("answer %d %s, want %d %s", got.StatusCode, got.body, tt.status, tt.code)
			}
		})
	}
}

// TestSilentBackend wants 504 of a backend that takes the request and says nothing,
// and the sandbox's end to be told from that.
func TestSilentBackend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		upgrade, ends bool
		status        int
		code          string
	}{
		"request": {false, false, 504, "TIMEOUT"},
		"upgrade": {true, false, 504, "TIMEOUT"},
		"ended":   {false, true, 502, "SANDBOX_EXITED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := newBox("a", nil)
			box.ports = map[int]string{8080: backend(t, func(_ http.ResponseWriter, req *http.Request) {
				<-req.Context().Done()
			})}
			if tt.ends {
				box.onDial = func(int) { close(box.ended) }
			}
			relay := &bridge.Relay{HandshakeTimeout: 300 * time.Millisecond, ResponseTimeout: 300 * time.Millisecond}
			r := start(t, &Server{boxes: boxes(box), Relay: relay}, all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080})))
			extra := ""
			if tt.upgrade {
				extra = handshake
			}
			if got := r.get(t, "a", "/", extra); got.StatusCode != tt.status || !strings.Contains(got.body, tt.code) {
				t.Errorf("answer %d %s, want %d %s", got.StatusCode, got.body, tt.status, tt.code)
			}
		})
	}
}

const handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" + key

// serveRaw answers one head on each connection with fixed bytes and closes it.
func serveRaw(ln net.Listener, answer string) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, answer)
		}
		_ = c.Close()
	}
}
