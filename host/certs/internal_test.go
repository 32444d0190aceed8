package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// internal opens a manager with an authority of its own, which the returned pool
// trusts.
func internal(t testing.TB, c Config) (*Manager, *x509.CertPool) {
	t.Helper()
	c.Dir = filepath.Join(t.TempDir(), "tls")
	m := open(t, c)
	a, err := OpenAuthority(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return m, trusting(a.Root)
}

func TestInternal(t *testing.T) {
	t.Parallel()
	m, roots := internal(t, Config{Domains: []string{"preview.test", "other.test"}, Allow: func(n string) bool { return n == "app.example" }})
	address := listen(t, m.Config)
	for _, name := range []string{"preview.test", "8080-a-token.preview.test", "a.b.other.test", "localhost", "x.localhost", "app.example", "8080-A-token.Preview.test"} {
		state, err := dial(address, &tls.Config{RootCAs: roots, ServerName: name, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		leaf := state.PeerCertificates[0]
		switch {
		case state.NegotiatedProtocol != "http/1.1":
			t.Errorf("%s: speaks %q", name, state.NegotiatedProtocol)
		case len(leaf.DNSNames) != 1:
			t.Errorf("%s: the certificate is for %q", name, leaf.DNSNames)
		case leaf.NotAfter.Sub(leaf.NotBefore) != leafLifetime+backdated:
			t.Errorf("%s: the certificate is good for %s", name, leaf.NotAfter.Sub(leaf.NotBefore))
		}
	}
	// An address has no SNI.
	if _, err := dial(address, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"example.com", "evilpreview.test", "preview.test.evil.example", "preview.test.other"} {
		_, err := dial(address, &tls.Config{RootCAs: roots, ServerName: name})
		if !unserved(err) {
			t.Errorf("%s: the handshake ended with %v", name, err)
		}
	}
	for name, config := range map[string]*tls.Config{
		"TLS 1.1": {RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"HTTP/2":  {RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}},
	} {
		if _, err := dial(address, config); err == nil {
			t.Errorf("%s is spoken", name)
		}
	}
}

// TestResumption: a client that comes again does so with a ticket.
func TestResumption(t *testing.T) {
	t.Parallel()
	m, roots := internal(t, Config{Domains: []string{"preview.test"}})
	address := listen(t, m.Config)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{RootCAs: roots, ServerName: "a.preview.test", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for i := range 2 {
			state, err := dial(address, config)
			if err != nil {
				t.Fatal(err)
			}
			if state.DidResume != (i == 1) {
				t.Errorf("%s: connection %d resumed: %v", tls.VersionName(version), i, state.DidResume)
			}
		}
	}
}

func TestLeavesAreMadeOnceAndRenewed(t *testing.T) {
	t.Parallel()
	a, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLeaves(a, []string{"p.test"}, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	l.now = func() time.Time { return now }
	get := func(name string) *tls.Certificate {
		c, err := l.certificate(&tls.ClientHelloInfo{}, name)
		if err != nil || c == nil {
			t.Fatalf("%s: %v, %v", name, c, err)
		}
		return c
	}
	var all sync.Map
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() { all.Store(get("a.p.test"), true) })
	}
	work.Wait()
	made := 0
	all.Range(func(any, any) bool { made++; return true })
	if made != 1 {
		t.Errorf("20 clients at once had %d certificates made", made)
	}
	first := get("a.p.test")
	now = now.Add(leafLifetime * 3 / 5)
	if get("a.p.test") != first {
		t.Error("it was made anew with two fifths of its time left")
	}
	now = now.Add(leafLifetime / 5)
	second := get("a.p.test")
	if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("it was not made anew with a fifth of its time left")
	}
	for i := range 3 * maxLeaves { // what a flood of names leaves behind
		get(fmt.Sprintf("n%d.p.test", i))
	}
	if n := len(l.byName); n != maxLeaves || l.recent.Len() != n {
		t.Errorf("%d certificates are kept, want %d", n, maxLeaves)
	}
	for i := range 3 * maxLeaves {
		if c, err := l.certificate(&tls.ClientHelloInfo{}, fmt.Sprintf("n%d.foreign.test", i)); c != nil || err != nil {
			t.Fatal("a foreign name has a certificate")
		}
	}
	if _, ok := l.byName["n0.foreign.test"]; ok {
		t.Error("a foreign name is remembered")
	}
}

func TestAuthorityIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tls")
	var work sync.WaitGroup
	found := make([]*Authority, 8)
	for i := range found { // an edge that starts and edge trust, say
		work.Go(func() {
			var err error
			if found[i], err = OpenAuthority(dir); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if t.Failed() {
		return
	}
	root := found[0].Root
	for _, a := range found {
		if !a.Root.Equal(root) {
			t.Error("two authorities were made")
		}
	}
	if life := root.NotAfter.Sub(root.NotBefore); life != rootLifetime+backdated || !root.IsCA || !root.MaxPathLenZero {
		t.Errorf("the root is good for %s, CA %v", life, root.IsCA)
	}
	for name, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, authorityFile: 0o600, rootFile: 0o644} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode() != want {
			t.Errorf("%q: %v, %v; want %v", name, st.Mode(), err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("the folder holds %v", left)
	}
	if content, _ := os.ReadFile(found[0].RootFile); strings.Contains(string(content), "PRIVATE") || string(content) != string(found[0].PEM()) {
		t.Error("the file for those who are to trust it does not hold the certificate alone")
	}
}

func TestBadAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		spoil      func(path string) error
	}{
		{"readable by others", "others than its owner can read", func(p string) error { return os.Chmod(p, 0o644) }},
		{"no PEM", "does not hold a key and a certificate", func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) }},
		{"cut short", "delete it to have a new one made", func(p string) error { return os.Truncate(p, 150) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := OpenAuthority(dir); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(filepath.Join(dir, authorityFile)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Config{Dir: dir, Domains: []string{"localhost"}}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// BenchmarkForeignNames is what a handshake costs, up to the certificate, whose name
// is not served; BenchmarkFreshNames what one costs whose name is new.
func BenchmarkForeignNames(b *testing.B) { benchmarkNames(b, "foreign.test") }
func BenchmarkFreshNames(b *testing.B)   { benchmarkNames(b, "p.test") }

func benchmarkNames(b *testing.B, domain string) {
	a, err := OpenAuthority(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	l, err := newLeaves(a, []string{"p.test"}, func(string) bool { return false })
	if err != nil {
		b.Fatal(err)
	}
	hello := &tls.ClientHelloInfo{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := l.certificate(hello, fmt.Sprintf("n%d.%s", i, domain)); err != nil {
			b.Fatal(err)
		}
	}
}
