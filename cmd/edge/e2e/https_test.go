package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// trusted is what a client that trusts the edge's own authority is configured with.
func (e *edge) trusted() *tls.Config {
	e.t.Helper()
	root, err := os.ReadFile(filepath.Join(e.state, "tls", "root.pem"))
	if err != nil {
		e.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		e.t.Fatalf("no certificate is in %q", root)
	}
	return &tls.Config{RootCAs: pool}
}

// echoOnly is the configuration with the echo plugin alone.
func echoOnly() settings {
	s := examples("process")
	s.plugins, s.routes = map[string]string{"echo": s.plugins["echo"]}, [][2]string{{"/ws/echo", "echo"}}
	return s
}

// serve starts a program in a sandbox and exposes its port 8080 under a token.
func (e *edge) serve(id, program, token string) abi.ExposedPort {
	e.t.Helper()
	b := &box{e: e, id: id}
	var exposed abi.ExposedPort
	for _, step := range []struct {
		op      string
		request any
		answer  any
	}{
		{abi.StartProcess.Name(), object{"processId": "web", "argv": []string{"bun", "-e", program}}, nil},
		{abi.WaitForPort.Name(), object{"port": 8080, "processId": "web"}, nil},
		{abi.ExposePort.Name(), object{"port": 8080, "token": token}, &exposed},
	} {
		if err := b.call(step.op, step.request, step.answer); err != nil {
			e.t.Fatalf("%s: %v", step.op, err)
		}
	}
	return exposed
}

const pageServer = `Bun.serve({port: 8080, fetch: (r, s) => s.upgrade(r) ? undefined : new Response("hello " + new URL(r.url).pathname), websocket: {message(ws, m) { ws.send(m) }}})`

// TestHTTPS goes through all that an edge with an authority of its own does.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	plain := freeAddr(t)
	s := echoOnly()
	s.top, s.limits = fmt.Sprintf("tls: {mode: internal, redirect: %q}\n", plain), "headTimeout: 6s"
	e := newEdge(t, s)
	trusted := e.trusted()

	exposed := e.serve("page", pageServer, "hushhush1")
	_, port, _ := net.SplitHostPort(e.addr)
	if want := "https://8080-page-hushhush1.localhost:" + port + "/"; exposed.URL != want || exposed.WSURL != "wss"+strings.TrimPrefix(want, "https") {
		t.Errorf("the URLs are %s and %s, want %s", exposed.URL, exposed.WSURL, want)
	}
	if body, err := fetchTrusting(trusted, exposed.URL+"x", 200); err != nil || body != "hello /x" {
		t.Errorf("%q, %v", body, err)
	}
	if body, err := fetchTrusting(trusted, "https://"+e.addr+"/_preview/8080/page-hushhush1/y", 200); err != nil || body != "hello /y" {
		t.Errorf("by its address: %q, %v", body, err)
	}
	for _, url := range []string{exposed.WSURL, "wss://localhost:" + port + "/ws/echo?id=live"} {
		ws, err := dialTrusting(trusted, url)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer ws.Close()
		if err := echo(ws, strings.Repeat("over TLS ", 20_000)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := fetchTrusting(&tls.Config{}, exposed.URL, 200); err == nil {
		t.Error("a client that does not trust the authority is content")
	}
	e.wantRedirected(plain, port)
	e.wantPlainTold()
	e.wantSlowCut(trusted, exposed.URL)
	out, complaints, err := e.edgeCommand(t.Context(), nil, "trust", "--print")
	root, _ := os.ReadFile(filepath.Join(e.state, "tls", "root.pem"))
	if err != nil || !bytes.Equal(out, root) {
		t.Errorf("edge trust --print: %v, %s%s", err, out, complaints)
	}
	if log := e.log.String(); strings.Contains(log, "hushhush1") {
		t.Errorf("the log holds a token:\n%s", log)
	}
}

// wantRedirected wants the plain port to lead to HTTPS, and to no foreign host.
func (e *edge) wantRedirected(plain, port string) {
	e.t.Helper()
	for host, want := range map[string]string{"8080-page-hushhush1.localhost": "https://8080-page-hushhush1.localhost:" + port + "/a?b=c", "evil.example": ""} {
		req, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, "http://"+plain+"/a?b=c", nil)
		if err != nil {
			e.t.Fatal(err)
		}
		req.Host = host
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			e.t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Location"); got != want || (resp.StatusCode == 308) != (want != "") {
			e.t.Errorf("%s: %d to %q, want %q", host, resp.StatusCode, got, want)
		}
	}
}

// wantPlainTold wants those told who speak plain HTTP to the HTTPS port.
func (e *edge) wantPlainTold() {
	e.t.Helper()
	if body, err := fetch("http://"+e.addr+"/", 400); err != nil || !strings.Contains(body, "https://") {
		e.t.Errorf("plain HTTP is told %q, %v", body, err)
	}
}

// wantSlowCut wants connections that never greet cut in time, and nobody held up by
// them meanwhile.
func (e *edge) wantSlowCut(trusted *tls.Config, url string) {
	e.t.Helper()
	slow := make([]net.Conn, 300)
	for i := range slow {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			e.t.Fatal(err)
		}
		defer c.Close()
		if i%3 == 0 { // half a record
			_, _ = c.Write([]byte{22, 3, 1, 1, 0, 1})
		}
		slow[i] = c
	}
	if _, err := fetchTrusting(trusted, url, 200); err != nil {
		e.t.Errorf("beside handshakes that do not go on: %v", err)
	}
	for _, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") || n > 64 {
			e.t.Fatalf("a connection that does not greet ended with %d bytes, %v", n, err)
		}
	}
}

// deflating echoes and compresses; halfOpen speaks WebSocket by hand: what it says
// last it says once its client has ended.
const (
	deflating = `Bun.serve({port: 8080, fetch: (r, s) => s.upgrade(r) ? undefined : new Response("no", {status: 400}), websocket: {perMessageDeflate: true, message(ws, m) { ws.send(m, true) }}})`
	halfOpen  = `require("net").createServer({allowHalfOpen: true}, s => {
  let head = "";
  s.on("data", d => {
    if (head.includes("\r\n\r\n")) return;
    head += d.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    const key = /sec-websocket-key: *(\S+)/i.exec(head)[1];
    const accept = require("crypto").createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    s.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n");
  });
  s.on("end", () => { s.write(Buffer.from([0x81, 5, ...Buffer.from("after"), 0x88, 5, 0x0f, 0xa1, ...Buffer.from("bye")])); s.end(); });
  s.on("error", () => {});
}).listen(8080)`
)

// TestSecureBytes: over TLS a client reads the very bytes that it reads over plain
// TCP: compressed messages, answers to pings, close codes, what comes after it has
// ended its half.
func TestSecureBytes(t *testing.T) {
	t.Parallel()
	var sent []byte
	for _, f := range []struct {
		op   byte
		body string
	}{
		{0x81, "hello"}, {0x82, strings.Repeat("compressible ", 9000)}, {0x89, "ping"}, {0x01, "in "}, {0x00, "three "}, {0x80, "parts"}, {0x88, "\x0f\xa1bye"},
	} {
		sent = append(sent, maskedFrame(f.op, f.body)...)
	}
	tests := []struct {
		name, program string
		send          []byte
		halfClose     bool
		want          string
	}{
		{"deflate", deflating, sent, false, "\x88\x05\x0f\xa1bye"},
		{"half-close", halfOpen, maskedFrame(0x81, "last words"), true, "\x81\x05after\x88\x05\x0f\xa1bye"},
	}
	plain := newEdge(t, settings{runtime: "process"})
	secure := newEdge(t, settings{runtime: "process", top: "tls: internal\n"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got [2][]byte
			for i, e := range []*edge{plain, secure} {
				exposed := e.serve(tt.name, tt.program, "hushhush2")
				c, err := net.Dial("tcp", e.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				if e.secure {
					config := e.trusted()
					config.ServerName = strings.TrimPrefix(strings.Split(exposed.URL, ".localhost")[0], "https://") + ".localhost"
					c = tls.Client(c, config)
				}
				got[i] = conversation(t, c, exposed.URL, tt.send, tt.halfClose)
			}
			if !bytes.Equal(got[0], got[1]) {
				t.Errorf("over plain TCP %d bytes were read, over TLS %d:\n%.200q\n%.200q", len(got[0]), len(got[1]), got[0], got[1])
			}
			if !bytes.HasSuffix(got[1], []byte(tt.want)) {
				t.Errorf("it ends with %.200q, want %q", got[1][max(0, len(got[1])-40):], tt.want)
			}
			t.Logf("%d bytes", len(got[1]))
		})
	}
}

// conversation opens a WebSocket that offers compression, sends, and returns all that
// comes back behind the head.
func conversation(t *testing.T, c net.Conn, url string, send []byte, halfClose bool) []byte {
	t.Helper()
	host := strings.TrimSuffix(url[strings.Index(url, "//")+2:], "/")
	_, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n%s", host, send)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %+v", err, resp)
	}
	if halfClose {
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	read, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(read), err)
	}
	return append([]byte(resp.Header.Get("Sec-WebSocket-Extensions")+"\n"), read...)
}

// maskedFrame is a client's frame (RFC 6455, section 5.2).
func maskedFrame(first byte, body string) []byte {
	f := []byte{first}
	switch n := len(body); {
	case n < 126:
		f = append(f, 0x80|byte(n))
	case n < 1<<16:
		f = append(f, 0x80|126, byte(n>>8), byte(n))
	default:
		f = append(f, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	f = append(f, mask[:]...)
	for i := range len(body) {
		f = append(f, body[i]^mask[i%4])
	}
	return f
}

// TestIdleSecureWebSockets holds 1,000 WebSockets over TLS, prints what they cost,
// and wants each alive.
func TestIdleSecureWebSockets(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED, NOT TESTED: the race detector's memory is not the edge's")
	}
	s := echoOnly()
	s.top = "tls: internal\n"
	e := newEdge(t, s)
	trusted := e.trusted()
	trusted.ServerName = "localhost"
	open := func(n int) []*websocket.Conn {
		all := make([]*websocket.Conn, n)
		var wg sync.WaitGroup
		next := make(chan int)
		for range 20 {
			wg.Go(func() {
				for i := range next {
					ws, err := dialTrusting(trusted, "wss://"+e.addr+"/ws/echo?id=live")
					if err == nil {
						err = echo(ws, "here")
					}
					if err != nil {
						t.Error(err)
						continue
					}
					all[i] = ws
				}
			})
		}
		for i := range n {
			next <- i
		}
		close(next)
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		t.Cleanup(func() {
			for _, ws := range all {
				ws.Close()
			}
		})
		return all
	}
	open(50) // what is kept for good is there
	e.wantConnections(50)
	before := e.vitals()
	const sockets = 1000
	all := open(sockets)
	e.wantConnections(50 + sockets)
	after := e.vitals()
	fmt.Fprintf(os.Stdout, "%-52s %.1f KiB, %.1f descriptors, %.1f goroutines\n", "an idle WebSocket over TLS",
		(after.memory-before.memory)/sockets/1024, (after.descriptors-before.descriptors)/sockets, (after.goroutines-before.goroutines)/sockets)
	for _, ws := range all {
		if err := echo(ws, "still here"); err != nil {
			t.Fatal(err)
		}
	}
	if err := all[0].WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4321, "enough"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_ = all[0].SetReadDeadline(time.Now().Add(patience))
	_, _, err := all[0].ReadMessage()
	if closed := new(websocket.CloseError); !errors.As(err, &closed) || closed.Code != 4321 {
		t.Errorf("it ended with %v, want 4321", err)
	}
}
