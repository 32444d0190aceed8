package certs

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// maxLeaves is how many certificates are kept; the one that was not asked for the
// longest makes room. A certificate is made in about the time of a handshake.
const maxLeaves = 1024

// leaves makes certificates when they are asked for, one for each name, and keeps
// them in memory alone. They share one key, which lives as long as the process.
type leaves struct {
	authority *Authority
	key       *ecdsa.PrivateKey
	domains   []string
	allow     func(name string) bool
	now       func() time.Time

	mu     sync.Mutex // guards what follows
	byName map[string]*list.Element
	recent *list.List // of *leaf, the one that was asked for last in front
}

// leaf is one certificate, which the first who asks for it makes.
type leaf struct {
	name string
	made sync.Once
	cert *tls.Certificate
	err  error
}

func newLeaves(a *Authority, domains []string, allow func(string) bool) (*leaves, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &leaves{
		authority: a, key: key, domains: domains, allow: allow, now: time.Now,
		byName: map[string]*list.Element{}, recent: list.New(),
	}, nil
}

func (l *leaves) close() {}

// covers tells whether a name is one of the domains or below it, an address, this
// machine's, or allowed.
func (l *leaves) covers(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || under(name, l.domains) || l.allow(name)
}

// certificate is for the name, or, if the client named none, as those do that were
// given an address, for that address.
func (l *leaves) certificate(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error) {
	if name == "" {
		if a, ok := ownAddress(hello.Conn); ok {
			name = a.String()
		} else {
			name = "localhost"
		}
	}
	if !l.covers(name) {
		return nil, nil
	}
	f := l.take(name, nil)
	f.made.Do(func() { f.cert, f.err = l.issue(name) })
	if f.err == nil && f.cert.Leaf.NotAfter.Sub(l.now()) >= leafLifetime/3 {
		return f.cert, nil
	}
	f = l.take(name, f)
	f.made.Do(func() { f.cert, f.err = l.issue(name) })
	return f.cert, f.err
}

// take returns the name's certificate, which may not be made yet, and a new one in
// the place of worn.
func (l *leaves) take(name string, worn *leaf) *leaf {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byName[name]; ok {
		if f := e.Value.(*leaf); f != worn {
			l.recent.MoveToFront(e)
			return f
		}
		l.drop(e)
	}
	f := &leaf{name: name}
	l.byName[name] = l.recent.PushFront(f)
	if l.recent.Len() > maxLeaves {
		l.drop(l.recent.Back())
	}
	return f
}

func (l *leaves) drop(e *list.Element) {
	delete(l.byName, l.recent.Remove(e).(*leaf).name)
}

// issue makes a certificate.
func (l *leaves) issue(name string) (*tls.Certificate, error) {
	now := l.now()
	form := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"edge"}},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(leafLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if a, err := netip.ParseAddr(name); err == nil {
		form.IPAddresses = []net.IP{a.AsSlice()}
	} else {
		form.DNSNames = []string{name}
	}
	if form.NotAfter.After(l.authority.Root.NotAfter) {
		form.NotAfter = l.authority.Root.NotAfter
	}
	der, err := l.authority.sign(form, &l.key.PublicKey)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: l.key, Leaf: parsed}, err
}
