package main

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"time"

	"edge/host/certs"
)

// soon is when the end of a certificate is worth a note.
const soon = 14 * 24 * time.Hour

// tls checks what HTTPS needs, without asking anybody.
func (x *examination) tls(s Settings, c *Config, running bool) {
	const name = "tls"
	t := c.TLS
	switch t.Mode {
	case tlsInternal:
		x.ownAuthority(filepath.Join(s.State, tlsFolder))
	case tlsFiles:
		x.pairs(s, t.Pairs)
	case tlsACME:
		_, port, _ := net.SplitHostPort(s.Listen) // checked already
		switch {
		case t.ACME.DNS == nil:
			x.found(levelNote, name, "tls.dns names a command that sets DNS records", "there is no certificate for all names under %s: URLs of previews that have a token have the path form", s.Domains[0])
		default:
			x.found(levelOK, name, "", "certificates for %s and all names under it, by DNS records", strings.Join(s.Domains, ", "))
		}
		if port != "443" {
			x.found(levelNote, name, "listen on :443, or have that port led here", "the authority comes to port 443 of your names, and the edge listens on %s", s.Listen)
		}
	}
	if t.Redirect != "" {
		x.port("tls redirect", t.Redirect, "the key tls.redirect", running, levelBad)
	}
}

// ownAuthority tells whether the edge's own authority is there and believed.
func (x *examination) ownAuthority(dir string) {
	const name = "tls"
	a, err := certs.FindAuthority(dir)
	if errors.Is(err, fs.ErrNotExist) {
		x.found(levelNote, name, "edge trust", "the edge's own authority will be made when it starts; browsers do not believe it until they are told")
		return
	}
	if err != nil {
		x.found(levelBad, name, "", "%v", err)
		return
	}
	// An empty pool is as good as one that cannot be read: it trusts nobody.
	pool, err := x509.SystemCertPool()
	if err == nil {
		_, err = a.Root.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	}
	if err != nil {
		x.found(levelNote, name, "edge trust", "this system does not believe the edge's own authority (%s); browsers have lists of their own", a.RootFile)
		return
	}
	x.found(levelOK, name, "", "this system believes the edge's own authority (%s)", a.RootFile)
}

// pairs tells how long certificates in files are good, and for which names.
func (x *examination) pairs(s Settings, pairs []certs.Pair) {
	const name = "tls"
	previews := false
	for _, p := range pairs {
		cert, err := certs.ReadPair(p)
		if err != nil {
			x.found(levelBad, name, "", "%v", err)
			continue
		}
		previews = previews || cert.Leaf.VerifyHostname("0-any."+s.Domains[0]) == nil
		switch left := time.Until(cert.Leaf.NotAfter); {
		case left <= 0:
			x.found(levelBad, name, "renew it; the edge takes the files over when they change", "%s ran out on %s", p.Cert, cert.Leaf.NotAfter.Format(time.DateOnly))
		case left < soon:
			x.found(levelNote, name, "renew it; the edge takes the files over when they change", "%s runs out on %s", p.Cert, cert.Leaf.NotAfter.Format(time.DateOnly))
		default:
			x.found(levelOK, name, "", "%s is good until %s, for %s", p.Cert, cert.Leaf.NotAfter.Format(time.DateOnly), strings.Join(cert.Leaf.DNSNames, ", "))
		}
	}
	if !previews {
		x.found(levelNote, name, "a certificate for *."+s.Domains[0], "no certificate is for the names under %s: URLs of previews that have a token have the path form", s.Domains[0])
	}
}
