package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"edge/abi"
)

// admit tells whether the request may be served; otherwise it returns the status
// and the error of the answer.
//
// A web page must not reach the API through its visitor's browser: over TCP a
// request must name the server as nobody else's host can be named (or a page
// would have its own name resolve to 127.0.0.1), and one that a browser sent for
// another site is refused. No answer allows any origin (CORS).
func (s *Server) admit(r *http.Request) (int, *abi.Error) {
	p := peerOf(r.Context())
	if p == nil && !s.callsUs(r) {
		return http.StatusForbidden, abi.Errorf(abi.CodeDenied, "the admin API is not called by the name %.100q", r.Host).
			WithSuggestion("use http://localhost or the address that the edge listens on")
	}
	if crossSite(r) {
		return http.StatusForbidden, abi.Errorf(abi.CodeDenied, "a web page of another site sent this request")
	}
	switch {
	case p == nil && r.URL.EscapedPath() == healthPath:
		return 0, nil // says nothing that a connection would not
	case p == nil && !s.showsToken(r):
		return http.StatusUnauthorized, abi.Errorf(abi.CodeDenied, "the admin API's token is missing or wrong").
			WithSuggestion("send the header \"Authorization: Bearer TOKEN\", with the content of the edge's admin token file")
	case p != nil && !p.trusted():
		return http.StatusForbidden, abi.Errorf(abi.CodeDenied, "this socket serves root and the user that the edge runs as").
			WithSuggestion("use the TCP address with its token")
	}
	return 0, nil
}

// callsUs tells whether the Host header names this server: localhost, a loopback
// address, the address that the connection came to, or a configured name.
func (s *Server) callsUs(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr == localAddr(r)
	}
	return host == "localhost" ||
		slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// localAddr is the address that the client connected to.
func localAddr(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// crossSite tells whether a browser says that another site's page is behind the
// request (Fetch, section 3.2; Fetch Metadata, section 2.1).
func crossSite(r *http.Request) bool {
	if len(r.Header.Values("Origin")) > 1 {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	return origin != "" && !strings.EqualFold(origin, "http://"+r.Host) && !strings.EqualFold(origin, "https://"+r.Host)
}

// showsToken compares the bearer token (RFC 6750, section 2.1) in constant time.
// Hashes are compared, so that not even the length can be told.
func (s *Server) showsToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.Token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer") && s.Token != ""
}
