package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"edge/host/certs"
)

// Ways to come by certificates.
const (
	tlsInternal = "internal"
	tlsFiles    = "files"
	tlsACME     = "acme"
)

// maxPropagation bounds how long a DNS record is waited for.
const maxPropagation = time.Hour

// TLS is what the file says about HTTPS.
type TLS struct {
	// Mode is internal, files or acme; empty is off.
	Mode string
	// Pairs are the certificates of files.
	Pairs []certs.Pair
	// ACME is the authority of acme.
	ACME ACME
	// Redirect is the address of the plain listener that sends clients to HTTPS;
	// empty is none.
	Redirect string

	at place
}

// ACME is how a public authority is asked for certificates.
type ACME struct {
	Email, CA string
	// Roots vouch for the authority's own HTTPS; nil is the system's.
	Roots   *x509.CertPool
	Account *certs.ExternalAccount
	DNS     *certs.DNS
}

// on tells whether the edge speaks HTTPS.
func (t TLS) on() bool { return t.Mode != "" }

// same tells whether both mean the same.
func (t TLS) same(other TLS) bool {
	if (t.ACME.Roots == nil) != (other.ACME.Roots == nil) || t.ACME.Roots != nil && !t.ACME.Roots.Equal(other.ACME.Roots) {
		return false
	}
	t.at, other.at = place{}, place{}
	t.ACME.Roots, other.ACME.Roots = nil, nil
	return reflect.DeepEqual(t, other)
}

// whyOnly tells of each key that means something in one mode alone which one that
// is.
var whyOnly = map[string]string{
	"cert": tlsFiles, "key": tlsFiles, "certs": tlsFiles,
	"email": tlsACME, "ca": tlsACME, "caRoots": tlsACME, "eab": tlsACME, "dns": tlsACME,
}

// readTLS reads the tls section: one word, or a mapping with mode.
func (c *Config) readTLS(v value) {
	c.TLS.at = v.place()
	given := map[string]value{}
	if _, isMapping := v.node.(*ast.MappingNode); isMapping {
		keep := func(name string) func(value) { return func(v value) { given[name] = v } }
		fields := map[string]func(value){"mode": func(v value) { given["mode"] = v; c.TLS.Mode = v.tlsMode() }, "redirect": keep("redirect")}
		for name := range whyOnly {
			fields[name] = keep(name)
		}
		v.object(fields)
		if _, ok := given["mode"]; !ok {
			v.fail("has no mode; want %s", wantMode)
			return
		}
	} else {
		c.TLS.Mode = v.tlsMode()
	}
	if c.TLS.Mode == "" {
		return
	}
	for name, val := range given {
		if only := whyOnly[name]; only != "" && only != c.TLS.Mode {
			val.fail("means something with mode: %s alone, and mode is %s", only, c.TLS.Mode)
		}
	}
	if r, ok := given["redirect"]; ok {
		if c.TLS.Mode == off {
			r.fail("has no meaning with mode: off: there is no HTTPS to send clients to")
		} else {
			c.TLS.Redirect = r.checked("an address like \":80\"", checkAddress)
		}
	}
	switch c.TLS.Mode {
	case off:
		c.TLS = TLS{}
	case tlsFiles:
		c.readPairs(v, given)
	case tlsACME:
		c.readACME(given)
	}
}

const wantMode = "off, internal (an authority of the edge's own, for this machine), files (certificates that you have), or acme (Let's Encrypt or another public authority)"

// tlsMode reads the word; it is empty if that is bad.
func (v value) tlsMode() string {
	s, _, ok := v.scalar()
	switch {
	case ok && (s == off || s == "false"):
		return off
	case ok && slices.Contains([]string{tlsInternal, tlsFiles, tlsACME}, s):
		return s
	}
	v.fail("%s; want %s", v.found(), wantMode)
	return ""
}

// readPairs reads the certificates of files: one pair, or a list.
func (c *Config) readPairs(v value, given map[string]value) {
	_, cert := given["cert"]
	_, key := given["key"]
	list, several := given["certs"]
	switch {
	case several && (cert || key):
		list.fail("stands beside cert and key; want either one pair or the list")
	case several:
		n := 0
		list.list(func(_ int, item value) {
			n++
			pair := map[string]value{}
			item.object(map[string]func(value){
				"cert": func(v value) { pair["cert"] = v },
				"key":  func(v value) { pair["key"] = v },
			})
			c.readPair(item, pair)
		})
		if n == 0 {
			list.fail("names no certificate; want a list of {cert: FILE, key: FILE}")
		}
	case cert || key:
		c.readPair(v, given)
	default:
		v.fail("mode files names no certificate; want tls: {mode: files, cert: FILE, key: FILE}, or certs: with a list of such pairs")
	}
}

// readPair reads a pair's paths, and the files.
func (c *Config) readPair(v value, given map[string]value) {
	cert, hasCert := given["cert"]
	key, hasKey := given["key"]
	switch {
	case !hasCert && !hasKey:
		v.fail("want {cert: FILE, key: FILE}")
		return
	case !hasCert:
		key.fail("stands without cert; want the certificate's file beside it")
		return
	case !hasKey:
		cert.fail("stands without key; want the file with the certificate's key beside it")
		return
	}
	p := certs.Pair{Cert: c.folder(cert), Key: c.folder(key)}
	switch {
	case p.Cert == "" || p.Key == "":
		return // said already
	case slices.Contains(c.TLS.Pairs, p):
		v.fail("stands there twice")
		return
	}
	if _, err := certs.ReadPair(p); err != nil {
		cert.fail("%v", err)
		return
	}
	c.TLS.Pairs = append(c.TLS.Pairs, p)
}

// readACME reads how the authority is asked.
func (c *Config) readACME(given map[string]value) {
	read := func(name string, do func(value)) {
		if v, ok := given[name]; ok {
			do(v)
		}
	}
	a := &c.TLS.ACME
	read("email", func(v value) { a.Email = v.checked("an e-mail address", checkEmail) })
	read("ca", func(v value) { a.CA = v.checked("the https URL of an authority's directory", checkDirectory) })
	read("caRoots", func(v value) { a.Roots = c.readRoots(v) })
	read("eab", func(v value) { a.Account = c.readAccount(v) })
	read("dns", func(v value) { a.DNS = c.readDNS(v) })
	if v, ok := given["caRoots"]; ok && a.CA == "" {
		v.fail("means something beside ca alone: the default authority is vouched for by the system")
	}
}

func checkEmail(s string) error {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return fmt.Errorf("%q is not an e-mail address", s)
	}
	return nil
}

// checkDirectory returns an error unless s is the URL of an ACME directory (RFC 8555,
// section 7.1.1), which is spoken to over HTTPS alone.
func checkDirectory(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is not the URL of an authority's directory; want https://HOST/PATH", s)
	}
	return nil
}

func (c *Config) readRoots(v value) *x509.CertPool {
	name, ok := v.text("a file with certificates in PEM")
	if !ok {
		return nil
	}
	content, err := readSmallFile(c.abs(name))
	pool := x509.NewCertPool()
	switch {
	case err != nil:
		v.fail("%s: %s", name, reason(err))
	case !pool.AppendCertsFromPEM(content):
		v.fail("%s holds no certificate in PEM", name)
	}
	return pool
}

func (c *Config) readAccount(v value) *certs.ExternalAccount {
	a := &certs.ExternalAccount{}
	before := len(v.doc.problems)
	v.object(map[string]func(value){
		"keyId": func(v value) { a.KeyID, _ = v.text("the account's key id") },
		"key":   func(v value) { a.MACKey, _ = c.readSecret(v) },
	})
	if len(v.doc.problems) == before && (a.KeyID == "" || a.MACKey == "") {
		v.fail("want both keyId and key: {keyId: ID, key: {file: PATH}}")
	}
	return a
}

// readDNS reads the command that sets records, which must be there.
func (c *Config) readDNS(v value) *certs.DNS {
	d := &certs.DNS{}
	before := len(v.doc.problems)
	v.object(map[string]func(value){
		"command": func(v value) { d.Command = v.words("a program and its first arguments"); c.findCommand(v, d.Command) },
		"propagation": func(v value) {
			if s, _, ok := v.scalar(); ok && (s == off || s == "false") {
				d.Propagation = -1
				return
			}
			d.Propagation, _ = v.duration(maxPropagation)
		},
		"resolvers": func(v value) { d.Resolvers = v.resolvers() },
	})
	if len(v.doc.problems) == before && len(d.Command) == 0 {
		v.fail("has no command; want the program that sets DNS records: {command: [PROGRAM, ARG, ...]}")
	}
	return d
}

// findCommand makes the program's path absolute: one with a slash is relative to the
// file's folder, any other is looked for on PATH.
func (c *Config) findCommand(v value, command []string) {
	if len(command) == 0 {
		return
	}
	program := command[0]
	if strings.ContainsRune(program, filepath.Separator) {
		program = c.abs(program)
	}
	found, err := exec.LookPath(program)
	if err != nil {
		v.fail("%s cannot be run: %s", command[0], reason(errors.Unwrap(err)))
		return
	}
	command[0] = found
}

// resolvers reads DNS servers, "host" or "host:port".
func (v value) resolvers() []string {
	var list []string
	v.list(func(_ int, item value) {
		s, ok := item.text("a DNS server like 192.0.2.1 or 192.0.2.1:53")
		if !ok {
			return
		}
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
		if err := checkAddress(s); err != nil {
			item.fail("%v", err)
			return
		}
		list = append(list, s)
	})
	return list
}

// checkTLS finds what is wrong with tls beside the settings in force.
func (c *Config) checkTLS(s Settings) error {
	t := c.TLS
	if !t.on() {
		return nil
	}
	if t.Redirect != "" && t.Redirect == s.Listen && !strings.HasSuffix(t.Redirect, ":0") {
		return problem{t.at, fmt.Sprintf("tls.redirect: %s is what the edge listens on for HTTPS; want another port, like \":80\"", t.Redirect)}
	}
	if t.Mode != tlsACME || t.ACME.CA != "" {
		return nil
	}
	for _, d := range s.Domains {
		if !certs.Public(d) {
			return problem{t.at, fmt.Sprintf("tls: no public authority gives out certificates for %s; set domain to a name of your own that leads here, or use tls: internal", d)}
		}
	}
	return nil
}
