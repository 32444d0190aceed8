package host

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// serverTLS is a certificate for "app" of no authority.
func serverTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"app"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"http/1.1", "acme-tls/1"},
	}
}

// startAt is start behind an entry.
func startAt(t testing.TB, s *Server, routes []Route, e *entry) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, s, routes, ln, func() error { return s.serveAt(ln, e) })
}

// dialTLS is dial and a handshake.
func (r *running) dialTLS(t testing.TB, protocols ...string) *client {
	t.Helper()
	plain := r.dial(t)
	c := tls.Client(plain.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{Conn: c, t: t, r: bufio.NewReader(c)}
}

func TestServeTLS(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 10)
	decider := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
		seen <- req.Scheme + " " + req.Path
		return text(200, "hello"), nil
	})
	r := startAt(t, &Server{}, all(decider), &entry{tls: serverTLS(t)})
	c := r.dialTLS(t, "h2", "http/1.1")
	for _, path := range []string{"/one", "/two"} { // on one connection
		c.send("GET " + path + " HTTP/1.1\r\nHost: app\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != 200 || got.body != "hello" {
			t.Errorf("%s: answer %d %q", path, got.StatusCode, got.body)
		}
		if got, want := <-seen, "https "+path; got != want {
			t.Errorf("the plugin saw %q, want %q", got, want)
		}
	}
}

// TestSecureWebSocket: the bridge has the TLS connection, and what came with the
// handshake of the WebSocket.
func TestSecureWebSocket(t *testing.T) {
	t.Parallel()
	box := newBox("a", map[int]string{8080: backend(t, echoSocket)})
	r := startAt(t, &Server{boxes: boxes(box)}, all(always(&abi.Connect{Sandbox: ref("a"), Port: 8080})), &entry{tls: serverTLS(t)})
	c := r.dialTLS(t)
	c.send("GET /ws HTTP/1.1\r\nHost: app:1\r\nOrigin: https://app:1\r\n" + handshake + "\r\n" + frame(1, "early", true))
	if got := c.answer("GET"); got.StatusCode != 101 {
		t.Fatalf("answer %d %v", got.StatusCode, got.Header)
	}
	wantFrame(t, c.r, 1, "app:1 https://app:1 /ws")
	wantFrame(t, c.r, 1, "early")
	c.send(frame(2, "more", true))
	wantFrame(t, c.r, 2, "more")
}

// TestNoHandshake: who does not speak TLS, or nothing, or for another purpose, is
// sent away, and others are served meanwhile.
func TestNoHandshake(t *testing.T) {
	t.Parallel()
	s := &Server{HeadTimeout: 300 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	r := startAt(t, s, all(always(text(200, "hello"))), &entry{tls: serverTLS(t)})

	silent := r.dial(t)
	plain := r.dial(t)
	plain.send("GET / HTTP/1.1\r\nHost: app\r\n\r\n")
	if got := plain.answer("GET"); got.StatusCode != 400 || !strings.Contains(got.body, "https://") {
		t.Errorf("plain HTTP: %d %q", got.StatusCode, got.body)
	}
	noise := r.dial(t)
	noise.send("\x00\x01\x02\x03\x04\x05\x06\x07")
	challenge := r.dialTLS(t, "acme-tls/1")
	for name, c := range map[string]*client{"plain": plain, "noise": noise, "challenge": challenge, "silent": silent} {
		for !c.eof() {
		}
		t.Log(name, "was closed")
	}
	if c := r.dialTLS(t); c != nil {
		c.send("GET / HTTP/1.1\r\nHost: app\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != 200 {
			t.Errorf("answer %d", got.StatusCode)
		}
	}
}
