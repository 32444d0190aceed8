package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"edge/host/certs"
	"edge/host/certs/acmetest"
)

// writePair writes a certificate of no authority for the names, and its key.
func writePair(t testing.TB, cert, key string, names ...string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	acmetest.WriteSelfSigned(t, cert, key, k, 30*24*time.Hour, names...)
}

// tlsFolderWith is a folder with what configurations of HTTPS name.
func tlsFolderWith(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	writePair(t, in("a.pem"), in("a.key"), "a.test")
	writePair(t, in("b.pem"), in("b.key"), "b.test")
	for name, content := range map[string]string{"dns.sh": "#!/bin/sh\n", "eab.key": "c2VjcmV0\n", "no.pem": "x"} {
		if err := os.WriteFile(in(name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(in("eab.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func loadTLS(t *testing.T, dir, content string) (*Config, error) {
	t.Helper()
	file := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(file, []byte("sandboxes: {S: {}}\n"+content), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(file)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		want          func(in func(string) string) TLS
	}{
		{"nothing", "", func(func(string) string) TLS { return TLS{} }},
		{"off", "tls: off", func(func(string) string) TLS { return TLS{} }},
		{"false", "tls: false", func(func(string) string) TLS { return TLS{} }},
		{"mode off", "tls: {mode: off}", func(func(string) string) TLS { return TLS{} }},
		{"internal", "tls: internal", func(func(string) string) TLS { return TLS{Mode: tlsInternal} }},
		{"internal with a redirect", "tls: {mode: internal, redirect: \":80\"}", func(func(string) string) TLS { return TLS{Mode: tlsInternal, Redirect: ":80"} }},
		{"one pair", "tls: {mode: files, cert: a.pem, key: ./a.key}", func(in func(string) string) TLS {
			return TLS{Mode: tlsFiles, Pairs: []certs.Pair{{Cert: in("a.pem"), Key: in("a.key")}}}
		}},
		{"two pairs", "tls:\n  mode: files\n  certs:\n    - {cert: a.pem, key: a.key}\n    - {cert: b.pem, key: b.key}", func(in func(string) string) TLS {
			return TLS{Mode: tlsFiles, Pairs: []certs.Pair{{Cert: in("a.pem"), Key: in("a.key")}, {Cert: in("b.pem"), Key: in("b.key")}}}
		}},
		{"acme", "tls: acme", func(func(string) string) TLS { return TLS{Mode: tlsACME} }},
		{"acme in full", "tls:\n  mode: acme\n  email: a@b.example\n  ca: https://ca.example/dir\n  eab: {keyId: id, key: {file: eab.key}}\n" +
			"  dns: {command: [./dns.sh, x], propagation: 30s, resolvers: [192.0.2.1, \"[::1]:54\"]}\n  redirect: :80", func(in func(string) string) TLS {
			return TLS{Mode: tlsACME, Redirect: ":80", ACME: ACME{
				Email: "a@b.example", CA: "https://ca.example/dir", Account: &certs.ExternalAccount{KeyID: "id", MACKey: "c2VjcmV0"},
				DNS: &certs.DNS{Command: []string{in("dns.sh"), "x"}, Propagation: 30 * time.Second, Resolvers: []string{"192.0.2.1:53", "[::1]:54"}},
			}}
		}},
		{"nobody looks for records", "tls: {mode: acme, dns: {command: [./dns.sh], propagation: off}}", func(in func(string) string) TLS {
			return TLS{Mode: tlsACME, ACME: ACME{DNS: &certs.DNS{Command: []string{in("dns.sh")}, Propagation: -1}}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tlsFolderWith(t)
			c, err := loadTLS(t, dir, tt.content)
			if err != nil {
				t.Fatal(err)
			}
			got := c.TLS
			got.at = place{}
			if want := tt.want(func(name string) string { return filepath.Join(dir, name) }); !reflect.DeepEqual(got, want) {
				t.Errorf("read as %+v, want %+v", got, want)
			}
			again, err := loadTLS(t, dir, "# a line further\n"+tt.content)
			if err != nil || !again.TLS.same(c.TLS) {
				t.Errorf("the same is another one: %v", err)
			}
		})
	}
}

func TestTLSIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"a word", "tls: letsencrypt", `2:6: tls: is "letsencrypt"; want off, internal (`},
		{"on", "tls: on", `2:6: tls: is "on"; want off, internal (`},
		{"a list", "tls: [internal]", `2:6: tls: is a list; want off, internal (`},
		{"no value", "tls:", `2:1: tls: has no value; want off, internal (`},
		{"no mode", "tls: {cert: a.pem, key: a.key}", `2:6: tls: has no mode; want off, internal (`},
		{"typo", "tls: {mode: files, crt: a.pem, key: a.key}", `2:20: tls: unknown key "crt"; did you mean "cert"`},
		{"files alone", "tls: files", `2:6: tls: mode files names no certificate; want tls: {mode: files, cert: FILE, key: FILE}`},
		{"no key", "tls: {mode: files, cert: a.pem}", `2:26: tls.cert: stands without key`},
		{"no cert", "tls: {mode: files, key: a.key}", `2:25: tls.key: stands without cert`},
		{"both forms", "tls: {mode: files, cert: a.pem, key: a.key, certs: [{cert: b.pem, key: b.key}]}", `2:52: tls.certs: stands beside cert and key`},
		{"an empty list", "tls: {mode: files, certs: []}", `2:27: tls.certs: names no certificate`},
		{"an empty pair", "tls: {mode: files, certs: [{}]}", `2:28: tls.certs[0]: want {cert: FILE, key: FILE}`},
		{"twice", "tls: {mode: files, certs: [{cert: a.pem, key: a.key}, {cert: ./a.pem, key: a.key}]}", `2:55: tls.certs[1]: stands there twice`},
		{"another's key", "tls: {mode: files, cert: a.pem, key: b.key}", `2:26: tls.cert: `},
		{"no such file", "tls: {mode: files, cert: c.pem, key: a.key}", `no such file`},
		{"no PEM", "tls: {mode: files, cert: no.pem, key: a.key}", `2:26: tls.cert: `},
		{"a folder", "tls: {mode: files, cert: ., key: a.key}", `is not a regular file`},
		{"files of internal", "tls: {mode: internal, cert: a.pem, key: a.key}", `tls.cert: means something with mode: files alone, and mode is internal`},
		{"e-mail of files", "tls: {mode: files, cert: a.pem, key: a.key, email: a@b.c}", `tls.email: means something with mode: acme alone, and mode is files`},
		{"dns of internal", "tls: {mode: internal, dns: {command: [./dns.sh]}}", `tls.dns: means something with mode: acme alone, and mode is internal`},
		{"redirect of off", "tls: {mode: off, redirect: :80}", `tls.redirect: has no meaning with mode: off`},
		{"redirect", "tls: {mode: internal, redirect: 80}", `2:33: tls.redirect: "80" is not an address`},
		{"e-mail", "tls: {mode: acme, email: me}", `2:26: tls.email: "me" is not an e-mail address`},
		{"plain authority", "tls: {mode: acme, ca: \"http://ca.example/dir\"}", `2:23: tls.ca: "http://ca.example/dir" is not the URL of an authority's directory`},
		{"roots of the default", "tls: {mode: acme, caRoots: a.pem}", `tls.caRoots: means something beside ca alone`},
		{"no roots", "tls: {mode: acme, ca: https://ca.example/, caRoots: no.pem}", `tls.caRoots: no.pem holds no certificate in PEM`},
		{"no command", "tls: {mode: acme, dns: {}}", `2:24: tls.dns: has no command`},
		{"no such command", "tls: {mode: acme, dns: {command: [./nothing.sh]}}", `tls.dns.command: ./nothing.sh cannot be run: no such file`},
		{"propagation", "tls: {mode: acme, dns: {command: [./dns.sh], propagation: 2 minutes}}", `tls.dns.propagation: "2 minutes" is not a duration`},
		{"resolver", "tls: {mode: acme, dns: {command: [./dns.sh], resolvers: [\"a:b\"]}}", `tls.dns.resolvers[0]: "a:b": port "b" is not a number`},
		{"account without a key", "tls: {mode: acme, eab: {keyId: a}}", `2:24: tls.eab: want both keyId and key`},
		{"account's key in the file", "tls: {mode: acme, eab: {keyId: a, key: c2VjcmV0}}", `tls.eab.key: stands in the file itself`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := loadTLS(t, tlsFolderWith(t), tt.content)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "edge.yaml:2:") {
				t.Errorf("got\n%v\nwant a line with\n%s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// TestTLSBesideOtherSettings: what can only be known once flags and environment
// are.
func TestTLSBesideOtherSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		flags         Flags
		want          string // empty: accepted
	}{
		{"localhost", "tls: acme", Flags{}, "edge.yaml:2:6: tls: no public authority gives out certificates for localhost; set domain to a name of your own that leads here, or use tls: internal"},
		{"a private name", "tls: acme", Flags{Domain: "edge.internal"}, "no public authority gives out certificates for edge.internal"},
		{"one of two", "tls: acme", Flags{Domain: "edge.example,localhost"}, "no public authority gives out certificates for localhost"},
		{"a public name", "tls: acme", Flags{Domain: "preview.example.com"}, ""},
		{"another authority", "tls: {mode: acme, ca: https://ca.internal/dir}", Flags{Domain: "edge.internal"}, ""},
		{"internal", "tls: internal", Flags{}, ""},
		{"one port for both", "tls: {mode: internal, redirect: \":8443\"}", Flags{Listen: ":8443"}, "tls.redirect: :8443 is what the edge listens on for HTTPS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := loadTLS(t, tlsFolderWith(t), tt.content)
			if err != nil {
				t.Fatal(err)
			}
			_, err = settle(tt.flags, func(string) string { return "" }, c, "state", serveLogLevel)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
