package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// patience is how long tests wait for what has to come.
const patience = 3 * time.Minute

// record is a log that a test reads.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *record) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open is Open, closed with the test.
func open(t testing.TB, c Config) *Manager {
	t.Helper()
	if c.Dir == "" {
		c.Dir = filepath.Join(tempDir(t), "tls")
	}
	m, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// tempDir is t.TempDir for those into which somebody may still write at the test's end:
// what certmagic has begun to renew ends in its own time.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "certs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { within(t, "removing "+dir, func() bool { return os.RemoveAll(dir) == nil }) })
	return dir
}

// listen greets whoever connects with a handshake, and closes. It returns the
// address.
func listen(t testing.TB, config func() *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	greet(t, ln, config())
	return ln.Addr().String()
}

// greet is listen on a listener, which it closes with the test.
func greet(t testing.TB, ln net.Listener, config *tls.Config) {
	t.Helper()
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				s := tls.Server(c, config)
				if s.Handshake() == nil {
					_, _ = io.WriteString(s, "hello")
					_ = s.CloseWrite()
					_, _ = io.Copy(io.Discard, s)
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); work.Wait() })
}

// dial greets a server and returns what the connection is, and what was said.
func dial(address string, config *tls.Config) (tls.ConnectionState, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	s := tls.Client(c, config)
	if err := s.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	if said, err := io.ReadAll(s); err != nil || string(said) != "hello" {
		return tls.ConnectionState{}, fmt.Errorf("the server said %q, %v", said, err)
	}
	return s.ConnectionState(), nil
}

// unserved tells whether a handshake was refused because of the name it was for
// (unrecognized_name, RFC 6066, section 3).
func unserved(err error) bool {
	return err != nil && strings.Contains(err.Error(), "tls: unrecognized name")
}

func trusting(root *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(root)
	return p
}

// within waits until a condition holds.
func within(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// TestStorageInALog: what certmagic logs of its storage is the folder, and not the locks,
// which others take meanwhile.
func TestStorageInALog(t *testing.T) {
	t.Parallel()
	s, log := newStorage("/a/folder"), new(record)
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 100 {
			name := fmt.Sprint("lock-", i)
			if err := errors.Join(s.Lock(t.Context(), name), s.Unlock(t.Context(), name)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 100 {
		quietly(log.log()).Info("cleaning", zap.Any("storage", s))
	}
	work.Wait()
	if said := log.String(); strings.Count(said, "storage=/a/folder\n") != 100 {
		t.Errorf("the log holds\n%.500s", said)
	}
}

func TestValidName(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("a"), 63)
	for name, want := range map[string]bool{
		"a": true, "8080-a-tok_en.preview.example.com": true, "xn--bcher-kva.example": true, string(long): true,
		"": false, ".": false, "a.": false, ".a": false, "a..b": false, "-a": false, "a-": false, "A": false, "a b": false,
		"bücher.example": false, "*.a": false, "a/b": false, "a\x00": false, string(long) + "a": false,
		fmt.Sprintf("%s.%s.%s.%s", long, long, long, long): false,
	} {
		if got := validName(name); got != want {
			t.Errorf("validName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"example.com": "example.com", "Example.COM:80": "example.com", "example.com.": "example.com", "example.com.:8080": "example.com",
		"127.0.0.1": "127.0.0.1", "127.0.0.1:80": "127.0.0.1", "[::1]": "::1", "[::1]:80": "::1",
		"": "", ":80": "", "a:b": "", "a:080": "", "a:99999": "", "user@a": "", "a b": "", "a/b": "", "::1": "", "[::1": "", "[127.0.0.1]": "", "[a]": "",
		"bücher.example": "", "a..b": "", "a,b": "", "[fe80::1%25eth0]": "", "a:80:80": "",
	} {
		got, ok := hostOf(host)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("hostOf(%q) = %q, want %q", host, got, want)
		}
	}
}

func FuzzHostOf(f *testing.F) {
	for _, s := range []string{"a.b:80", "[::1]:1", "a.", "[::1%lo]", "a:b:c", "@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := hostOf(host)
		if !ok {
			return
		}
		again, ok := hostOf(name)
		if net.ParseIP(name) == nil && (!ok || again != name || !validName(name)) {
			t.Fatalf("%q is read as %q, and that as %q", host, name, again)
		}
	})
}
