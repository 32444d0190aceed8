package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"edge/host/certs"
)

// https is what an edge that speaks HTTPS has besides. All of it is nil for one that
// does not.
type https struct {
	certs *certs.Manager
	// redirect is the plain listener that sends clients to HTTPS, and server what
	// answers there.
	redirect net.Listener
	server   *http.Server
}

// tlsFolder is where keys and certificates are, in the state folder.
const tlsFolder = "tls"

// openHTTPS makes certificates ready and takes the plain port.
func (s *server) openHTTPS(ctx context.Context, o serverOptions) (err error) {
	t := o.config.TLS
	if !t.on() {
		return nil
	}
	if t.Redirect != "" {
		if s.https.redirect, err = new(net.ListenConfig).Listen(ctx, "tcp", t.Redirect); err != nil {
			return fmt.Errorf("tls.redirect: %w", err)
		}
	}
	c := certs.Config{
		Dir: filepath.Join(s.settings.State, tlsFolder), Domains: s.settings.Domains,
		Allow: s.mayHaveCertificate, Log: o.log, Pairs: t.Pairs,
	}
	if t.Mode == tlsACME {
		c.ACME = &certs.ACME{
			CA: t.ACME.CA, Roots: t.ACME.Roots, Email: t.ACME.Email, Account: t.ACME.Account, DNS: t.ACME.DNS,
			HTTPS: s.listener.Addr().String(),
		}
		if s.https.redirect != nil {
			c.ACME.HTTP = s.https.redirect.Addr().String()
		}
	}
	if s.https.certs, err = certs.Open(c); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if s.https.redirect != nil {
		s.https.server = s.https.certs.Redirect(s.previewConfig().Port)
	}
	for _, d := range s.settings.Domains {
		if !s.https.certs.CoversPreviews(d) {
			o.log.Warn("no certificate is for the names under a domain: previews that have a token in the host do not work there", "domain", "*."+d,
				"mend", "tls.dns, or a certificate for *."+d)
		}
	}
	return nil
}

// mayHaveCertificate tells whether a name may have a certificate of its own: a
// domain, a route's host, or the name of a live preview that holds no secret.
func (s *server) mayHaveCertificate(name string) bool {
	if slices.Contains(s.settings.Domains, name) {
		return true
	}
	if hosts := s.hosts.Load(); hosts != nil && slices.Contains(*hosts, name) {
		return true
	}
	return s.manager != nil && s.manager.CertificateName(name)
}

// keepHosts remembers the hosts that routes name literally.
func (s *server) keepHosts(routes []Route) {
	var hosts []string
	for _, r := range routes {
		if !strings.Contains(r.Host, "*") {
			hosts = append(hosts, strings.ToLower(r.Host))
		}
	}
	s.hosts.Store(&hosts)
}

// scheme is what the listener speaks.
func (s *server) scheme() string {
	if s.config.TLS.on() {
		return "https"
	}
	return "http"
}

// serveListener serves until the host is shut down.
func (s *server) serveListener() error {
	if s.https.certs == nil {
		return s.host.Serve(s.listener)
	}
	redirected := make(chan struct{})
	go s.runRedirect(redirected)
	err := s.host.ServeTLS(s.listener, s.https.certs.Config())
	s.https.closeRedirect(s.log)
	<-redirected
	return err
}

// runRedirect sends clients of the plain port to HTTPS until that is closed.
func (s *server) runRedirect(ended chan<- struct{}) {
	defer close(ended)
	if s.https.server == nil {
		return
	}
	if err := s.https.server.Serve(s.https.redirect); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("clients of the plain port are not sent to HTTPS any more", "error", err)
	}
}

// closeRedirect gives the plain port up.
func (h *https) closeRedirect(log *slog.Logger) {
	if h.server == nil {
		return
	}
	if err := h.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		log.Debug("close the plain port", "error", err)
	}
}

// close gives everything up.
func (h *https) close() error {
	if h.certs != nil {
		h.certs.Close()
	}
	if h.server != nil {
		_ = h.server.Close()
	}
	if h.redirect != nil {
		if err := h.redirect.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return nil
}
