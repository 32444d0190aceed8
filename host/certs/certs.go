// Package certs gives the edge the certificates of its HTTPS listener: from files,
// from an authority of its own, or from a public one by ACME (RFC 8555).
//
// A handshake names the host it is for (SNI, RFC 6066, section 3). What the edge
// does not serve is refused before anything is looked up, made, or asked for, so
// that a flood of made-up names costs what reading them costs.
//
// Whatever a public authority is asked for stands in public logs for good
// (RFC 9162). So it is asked for three kinds of names alone: "*.domain" for the
// names that hold a token, which no log ever sees; the domains themselves; and
// single names that Config.Allow permits, which hold no secret.
package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// Config says where certificates come from. Pairs or ACME; with neither of them an
// authority of our own makes them.
type Config struct {
	// Dir is where keys and certificates are kept, {state}/tls. It is made, and kept
	// to its owner (0700).
	Dir string
	// Domains are those that previews live under.
	Domains []string
	// Allow tells whether a name, in lower case and without port, may have a
	// certificate of its own: a route's host, a domain itself, the name of a preview
	// that is exposed right now and holds no secret. It is asked in each handshake
	// that none is there for yet, and again before a renewal. nil allows none.
	Allow func(name string) bool
	// Log gets what happens to certificates; nil discards.
	Log *slog.Logger

	// Pairs are certificates in files. The first is also for clients that name no
	// host, or one that no pair is for.
	Pairs []Pair
	// ACME is an authority that is asked.
	ACME *ACME
}

// Manager has the certificates. Its methods may be called from any goroutine.
type Manager struct {
	domains []string
	source  source
	log     *slog.Logger
	closing sync.Once

	// challenged is for those who check that a name is ours; see challenge.
	challenged *tls.Config
}

// source is one way to come by certificates.
type source interface {
	// certificate returns the one for a host name, which is empty where the client
	// named none. nil without an error is a name that is not served.
	certificate(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error)
	// covers tells whether clients that name the host are given one that is for it,
	// now or once it was asked for.
	covers(name string) bool
	// close ends what goes on in the background.
	close()
}

var (
	_ source = (*files)(nil)
	_ source = (*leaves)(nil)
	_ source = (*client)(nil)
)

// Open makes ready what the configuration names. Certificates in files are read,
// and bad ones are an error; those of an authority are asked for in the background.
// The caller closes the manager.
func Open(c Config) (*Manager, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Allow == nil {
		c.Allow = func(string) bool { return false }
	}
	m := &Manager{domains: c.Domains, log: c.Log}
	m.challenged = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acmez.ACMETLS1Protocol},
		GetCertificate: m.proof, SessionTicketsDisabled: true,
	}
	var err error
	switch {
	case len(c.Pairs) > 0:
		m.source, err = openFiles(c.Pairs, c.Log)
	case c.ACME != nil:
		if err = keepPrivate(c.Dir); err == nil {
			m.source = openClient(c)
		}
	default:
		var a *Authority
		if a, err = OpenAuthority(c.Dir); err == nil {
			m.source, err = newLeaves(a, c.Domains, c.Allow)
		}
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Close ends what goes on in the background. Handshakes that wait fail. A second
// call does nothing.
func (m *Manager) Close() { m.closing.Do(m.source.close) }

// Config is for the HTTPS listener: TLS 1.2 or later (RFC 8996), HTTP/1.1 alone,
// session tickets. It is the caller's.
func (m *Manager) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: m.certificate, GetConfigForClient: m.challenge,
	}
}

// Covers tells whether a client that asks for the host over HTTPS is given a
// certificate that is for it. The name is in lower case, without port, or an
// address.
func (m *Manager) Covers(name string) bool { return m.source.covers(name) }

// CoversPreviews tells whether that is so for every name directly under the
// domain.
func (m *Manager) CoversPreviews(domain string) bool {
	if c, ok := m.source.(*client); ok {
		return c.wild != nil && slices.Contains(m.domains, domain)
	}
	return m.source.covers("0-any." + domain)
}

// certificate answers a handshake.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if name != "" && !validName(name) {
		return nil, nil
	}
	return m.source.certificate(hello, name)
}

// challenge returns the configuration for a handshake by which an authority checks
// that a name is ours (TLS-ALPN-01, RFC 8737), and nil for every other. Such a
// connection carries nothing: it is over with the handshake.
func (m *Manager) challenge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != acmez.ACMETLS1Protocol {
		return nil, nil
	}
	if _, asked := asked(hello.ServerName, acme.ChallengeTypeTLSALPN01); !asked {
		return nil, nil
	}
	return m.challenged, nil
}

// proof is the certificate by which a challenge is met.
func (m *Manager) proof(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, ok := asked(hello.ServerName, acme.ChallengeTypeTLSALPN01)
	if !ok {
		return nil, nil
	}
	return acmez.TLSALPN01ChallengeCert(c)
}

// asked returns the challenge of that kind that is under way for a name.
func asked(name, kind string) (acme.Challenge, bool) {
	c, ok := certmagic.GetACMEChallenge(strings.ToLower(name))
	return c.Challenge, ok && c.Type == kind
}

// validName tells whether a name in lower case can be a host's (RFC 1123, section
// 2.1; a "_" is let through because names with one exist).
func validName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// under tells whether a name is one of the domains or below it.
func under(name string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool {
		return name == d || len(name) > len(d) && strings.HasSuffix(name, d) && name[len(name)-len(d)-1] == '.'
	})
}

// ownAddress is the address that the client of a handshake came to.
func ownAddress(conn net.Conn) (netip.Addr, bool) {
	if conn == nil || conn.LocalAddr() == nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return a.Addr().Unmap().WithZone(""), err == nil
}

// keepPrivate makes a folder that nobody but its owner may look into.
func keepPrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for certificates: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("keep the folder for certificates to its owner: %w", err)
	}
	return nil
}

// writeNew writes a file that there is not yet, whole or not at all. One that there
// is stays as it is, and is an error.
func writeNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// Public tells whether a public authority could make a certificate for a name:
// localhost, addresses of private networks and names like app.internal have none.
func Public(name string) bool { return certmagic.SubjectQualifiesForPublicCert("*." + name) }
