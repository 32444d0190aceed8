package certs

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// challengePath is where an authority looks for a token (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// maxRedirected is how many connections the plain port serves at a time; the others
// wait in the kernel's queue. They are short, and each takes a descriptor, of which
// HTTPS is to have the most.
const maxRedirected = 128

// Redirect is the server for the plain port: it sends clients to the same address
// over HTTPS at the given port (308, so that method and body stay), and answers the
// authority's challenges (HTTP-01). Only hosts that Covers knows are sent on, so
// that it is no stepping stone to anywhere else. Each answer closes its connection.
//
// The caller serves a listener with it and closes it.
func (m *Manager) Redirect(port int) *http.Server {
	s := &http.Server{
		Handler:           m.HTTPChallenge(&redirect{m, port}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		MaxHeaderBytes: 16 << 10, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	}
	s.SetKeepAlivesEnabled(false)
	room := make(chan struct{}, maxRedirected)
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew: // in the goroutine that accepts
			room <- struct{}{}
		case http.StateClosed, http.StateHijacked:
			<-room
		}
	}
	return s
}

// HTTPChallenge answers the authority's challenges and leaves everything else to
// next.
func (m *Manager) HTTPChallenge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, challengePath) {
			next.ServeHTTP(w, r)
			return
		}
		name, ok := hostOf(r.Host)
		c, under := asked(name, acme.ChallengeTypeHTTP01)
		if !ok || !under || r.URL.Path != c.HTTP01ResourcePath() || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, c.KeyAuthorization)
	})
}

// redirect sends clients to HTTPS.
type redirect struct {
	m    *Manager
	port int
}

func (h *redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := hostOf(r.Host)
	path := r.URL.RequestURI()
	switch {
	case !ok || !strings.HasPrefix(path, "/"):
		plainError(w, http.StatusBadRequest, "the address is not one that HTTP allows")
		return
	case !h.m.Covers(name):
		plainError(w, http.StatusMisdirectedRequest, "this host is not served here")
		return
	}
	if a, err := netip.ParseAddr(name); err == nil && a.Is6() {
		name = "[" + name + "]"
	}
	if h.port != 443 {
		name += ":" + strconv.Itoa(h.port)
	}
	w.Header().Set("Location", "https://"+name+path)
	w.Header().Set("Cache-Control", "no-store")
	plainError(w, http.StatusPermanentRedirect, "the address is served over HTTPS")
}

func plainError(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// hostOf reads a Host header (RFC 9110, section 7.2): a name or an address, and
// perhaps a port. The name is returned in lower case without the dot that may end
// it.
func hostOf(host string) (string, bool) {
	if h, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
			return "", false
		}
		if strings.Contains(h, ":") && !strings.HasPrefix(host, "[") {
			return "", false
		}
		host = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host, ok = strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(host); !ok || err != nil || !a.Is6() {
			return "", false
		}
	} else if strings.Contains(host, ":") {
		return "", false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone("").String(), a.Zone() == ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host, validName(host)
}
