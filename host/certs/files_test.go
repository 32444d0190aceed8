package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edge/host/certs/acmetest"
)

// writePair writes a certificate for the names and its key, of no authority.
func writePair(t testing.TB, dir, name string, key crypto.Signer, left time.Duration, names ...string) Pair {
	t.Helper()
	p := Pair{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	acmetest.WriteSelfSigned(t, p.Cert, p.Key, key, left, names...)
	return p
}

func curveKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const month = 30 * 24 * time.Hour

func TestFilesByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, Config{Pairs: []Pair{
		writePair(t, dir, "first", curveKey(t), month, "first.test"),
		writePair(t, dir, "wild", curveKey(t), month, "*.preview.test", "preview.test"),
		writePair(t, dir, "both-ec", curveKey(t), month, "both.test"),
		writePair(t, dir, "both-rsa", old, month, "both.test"),
		writePair(t, dir, "address", curveKey(t), month, "127.0.0.1"),
	}})
	address := listen(t, m.Config)
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	tests := []struct {
		name, sni, want string
		suites          []uint16
		kind            x509.PublicKeyAlgorithm
	}{
		{"exact", "first.test", "first.test", nil, x509.ECDSA},
		{"wildcard", "8080-a-token.preview.test", "*.preview.test", nil, x509.ECDSA},
		{"the domain", "preview.test", "*.preview.test", nil, x509.ECDSA},
		{"two labels", "a.b.preview.test", "first.test", nil, x509.ECDSA},
		{"unknown", "other.test", "first.test", nil, x509.ECDSA},
		{"one of two", "both.test", "both.test", nil, x509.ECDSA},
		{"the one that the client knows", "both.test", "both.test", rsaOnly, x509.RSA},
		{"an address", "", "", nil, x509.ECDSA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &tls.Config{InsecureSkipVerify: true, ServerName: tt.sni}
			if tt.suites != nil {
				c.CipherSuites, c.MaxVersion = tt.suites, tls.VersionTLS12
			}
			state, err := dial(address, c)
			if err != nil {
				t.Fatal(err)
			}
			leaf := state.PeerCertificates[0]
			if tt.sni == "" {
				if len(leaf.IPAddresses) != 1 {
					t.Errorf("the certificate is for %q", leaf.DNSNames)
				}
				return
			}
			if leaf.DNSNames[0] != tt.want || leaf.PublicKeyAlgorithm != tt.kind {
				t.Errorf("the certificate is for %q, %s", leaf.DNSNames, leaf.PublicKeyAlgorithm)
			}
		})
	}
	if !m.CoversPreviews("preview.test") || m.CoversPreviews("first.test") || !m.Covers("both.test") || m.Covers("other.test") {
		t.Error("what is covered is not what the certificates are for")
	}
}

// TestFilesFollow: changed pairs are taken over, bad ones are not, and connections
// stay.
func TestFilesFollow(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), new(record)
	pair := writePair(t, dir, "site", curveKey(t), month, "a.test")
	m := open(t, Config{Pairs: []Pair{pair}, Log: log.log()})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln = tls.NewListener(ln, m.Config())
	defer ln.Close()
	echo := make(chan struct{})
	go func() {
		defer close(echo)
		c, err := ln.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"}
	live, err := tls.Dial("tcp", ln.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	serial := live.ConnectionState().PeerCertificates[0].SerialNumber
	served := func() *x509.Certificate {
		c, err := m.certificate(&tls.ClientHelloInfo{ServerName: "a.test"})
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	if err := os.WriteFile(pair.Key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, "that a bad key is told of", func() bool { return strings.Contains(log.String(), "is not taken over") })
	if served().SerialNumber.Cmp(serial) != 0 {
		t.Error("another certificate is served")
	}
	writePair(t, dir, "site", curveKey(t), month, "a.test")
	within(t, "the new certificate", func() bool { return served().SerialNumber.Cmp(serial) != 0 })
	if n := strings.Count(log.String(), "is not taken over"); n > 2 { // the half key, and perhaps a key that was not written yet
		t.Errorf("bad files are told of %d times", n)
	}
	// As those do that renew by links: one folder for each version.
	serial = served().SerialNumber
	next := filepath.Join(t.TempDir(), "next")
	if err := os.Mkdir(next, 0o700); err != nil {
		t.Fatal(err)
	}
	moved := writePair(t, next, "site", curveKey(t), month, "a.test")
	for from, to := range map[string]string{moved.Cert: pair.Cert, moved.Key: pair.Key} {
		if err := os.Symlink(from, to+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(to+".new", to); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "the one behind the link", func() bool { return served().SerialNumber.Cmp(serial) != 0 })
	if _, err := live.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("still here"))
	if _, err := io.ReadFull(live, b); err != nil || string(b) != "still here" {
		t.Errorf("the connection from before says %q, %v", b, err)
	}
	_ = live.Close()
	<-echo
}

func TestFilesThatAreBadOrOld(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), new(record)
	good := writePair(t, dir, "good", curveKey(t), month, "a.test")
	other := writePair(t, dir, "other", curveKey(t), month, "a.test")
	for want, p := range map[string]Pair{
		"private key does not match": {good.Cert, other.Key},
		"no such file":               {filepath.Join(dir, "none"), good.Key},
		"not a regular file":         {dir, good.Key},
		"failed to find":             {good.Key, good.Key},
	} {
		if _, err := Open(Config{Pairs: []Pair{p}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	open(t, Config{Log: log.log(), Pairs: []Pair{
		writePair(t, dir, "late", curveKey(t), -time.Minute, "late.test"), writePair(t, dir, "soon", curveKey(t), time.Hour, "soon.test"), good,
	}})
	if s := log.String(); strings.Count(s, "level=WARN") != 2 || !strings.Contains(s, "has run out") || !strings.Contains(s, "runs out soon") {
		t.Errorf("the log holds\n%s", s)
	}
}
