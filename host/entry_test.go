package host

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
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
	quiet := slog.New(slog.DiscardHandler)
	e := &entry{tls: serverTLS(t)}
	hasty := startAt(t, &Server{HeadTimeout: time.Second, Log: quiet}, nil, e)
	r := startAt(t, &Server{HeadTimeout: time.Hour, Log: quiet}, all(always(text(200, "hello"))), e)

	silent, waiting := hasty.dial(t), r.dial(t)
	plain := r.dial(t)
	plain.send("GET / HTTP/1.1\r\nHost: app\r\n\r\n")
	if got := plain.answer("GET"); got.StatusCode != 400 || !strings.Contains(got.body, "https://") {
		t.Errorf("plain HTTP: %d %q", got.StatusCode, got.body)
	}
	noise := r.dial(t)
	noise.send("\x00\x01\x02\x03\x04\x05\x06\x07")
	challenge := r.dialTLS(t, "acme-tls/1")
	for name, c := range map[string]*client{"plain": plain, "noise": noise, "challenge": challenge, "silent": silent} {
		if _, err := io.Copy(io.Discard, c.r); isTimeout(err) {
			t.Errorf("%s was not closed", name)
		}
	}
	if c := r.dialTLS(t); c != nil {
		c.send("GET / HTTP/1.1\r\nHost: app\r\n\r\n")
		if got := c.answer("GET"); got.StatusCode != 200 {
			t.Errorf("answer %d", got.StatusCode)
		}
	}
	_ = waiting.Close()
}

// TestShutdownInAHandshake: one that waits for its certificate does not hold up the
// end of the server.
func TestShutdownInAHandshake(t *testing.T) {
	t.Parallel()
	waiting, ended := make(chan struct{}), make(chan error, 1)
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		close(waiting)
		select {
		case <-hello.Context().Done():
		case <-time.After(time.Minute):
		}
		ended <- hello.Context().Err()
		return nil, nil
	}}
	s := &Server{DrainTimeout: 50 * time.Millisecond}
	r := startAt(t, s, nil, &entry{tls: config})
	c := r.dial(t)
	go func() { _ = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context()) }()
	<-waiting
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the handshake was not told")
	}
}

// TestProxyProtocol: whose request it is, with the header alone and with TLS behind
// it, and who may not send one.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	const v1 = "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n"
	v2 := proxyV2(0x21, 0x21, sixToSix+someTLVs)
	for _, tt := range []struct {
		name, header, extra string
		secure              bool
		trusted             string
		client              string // as the plugin sees it; "" is refused
	}{
		{"version 1", v1, "", false, "127.0.0.0/8", "203.0.113.7:12345"},
		{"version 2", v2, "", false, "127.0.0.0/8", "[2001:db8::7]:12345"},
		{"in front of TLS", v2, "", true, "127.0.0.0/8", "[2001:db8::7]:12345"},
		{"the client forges", v1, "X-Forwarded-For: 6.6.6.6\r\n", false, "127.0.0.0/8", "203.0.113.7:12345"},
		{"another proxy behind it", v1, "X-Forwarded-For: 6.6.6.6\r\n", false, "127.0.0.0/8 203.0.113.0/24", "6.6.6.6:0"},
		{"the proxy's own", proxyV2(0x20, 0, ""), "", false, "127.0.0.0/8", "127.0.0.1:"},
		{"nobody knows whose, and it forges", proxyV2(0x21, 0, ""), "X-Forwarded-For: 6.6.6.6\r\n", false, "127.0.0.0/8", "127.0.0.1:"},
		{"unknown, and it forges", "PROXY UNKNOWN\r\n", "X-Forwarded-For: 6.6.6.6\r\n", false, "127.0.0.0/8", "127.0.0.1:"},
		{"none", "", "", false, "127.0.0.0/8", ""},
		{"none before TLS", "", "", true, "127.0.0.0/8", ""},
		{"broken", "PROXY TCP4 203.0.113.7\r\n", "", false, "127.0.0.0/8", ""},
		{"a stranger's version 1", v1, "", false, "10.0.0.0/8", ""},
		{"a stranger's version 2", v2, "", false, "10.0.0.0/8", ""},
		{"a stranger's, before TLS", v2, "", true, "10.0.0.0/8", ""},
		{"a stranger without", "", "", false, "10.0.0.0/8", "127.0.0.1:"},
		{"two of them", v1 + v1, "", false, "127.0.0.0/8", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 2)
			decider := decide(func(_ context.Context, req *abi.Request) (abi.Decision, error) {
				asked <- req.RemoteAddr
				return text(200, "hello"), nil
			})
			e := &entry{}
			if tt.secure {
				e.tls = serverTLS(t)
			}
			s := &Server{TrustedProxies: prefixes(strings.Fields(tt.trusted)...), ProxyProtocol: true}
			r := startAt(t, s, all(decider), e)
			c := r.dial(t)
			request := "GET / HTTP/1.1\r\nHost: app\r\n" + tt.extra + "\r\n"
			if tt.secure {
				c.send(tt.header)
				over := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
				if err := over.HandshakeContext(t.Context()); err != nil {
					if tt.client != "" {
						t.Fatal(err)
					}
					return
				}
				c = &client{Conn: over, t: t, r: bufio.NewReader(over)}
				c.send(request)
			} else {
				c.send(tt.header + request) // what comes behind it in one segment is not lost
			}
			if tt.client == "" {
				if b, _ := io.ReadAll(c.r); len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 400 ") {
					t.Errorf("answer %q", b)
				}
				if len(asked) > 0 {
					t.Errorf("a request of %s was served", <-asked)
				}
				return
			}
			for range 2 { // the second goes without a header
				if got := c.answer("GET"); got.StatusCode != 200 {
					t.Fatalf("answer %d %s", got.StatusCode, got.body)
				}
				if got := <-asked; !strings.HasPrefix(got, tt.client) {
					t.Errorf("the plugin saw %s, want %s", got, tt.client)
				}
				c.send(request)
			}
		})
	}
}
