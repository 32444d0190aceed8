package plugins

import (
	"net/netip"
	"strconv"
	"strings"

	"edge/abi"
)

// fetchGrant is one entry of Grants.Fetch, read.
type fetchGrant struct {
	scheme string // http or https
	// name is a host name in lower case, with below set for the names below it,
	// and both empty for every name; addr, if valid, is a literal address instead.
	name  string
	below bool
	any   bool
	addr  netip.Addr
	port  int
}

// CheckFetchGrant returns an error, INVALID_REQUEST, for a text that cannot stand
// in Grants.Fetch; it says what was meant.
func CheckFetchGrant(s string) error {
	_, err := parseFetchGrant(s)
	if err != nil {
		return err
	}
	return nil
}

func parseFetchGrant(s string) (fetchGrant, *abi.Error) {
	bad := func(why string) (fetchGrant, *abi.Error) {
		return fetchGrant{}, abi.Errorf(abi.CodeInvalidRequest, "%.100q %s; want a host like \"api.example.com\", \"*.example.com\", \"http://10.0.0.5:8080\"", s, why)
	}
	g := fetchGrant{scheme: "https", port: 443}
	rest := strings.ToLower(s)
	if scheme, authority, ok := strings.Cut(rest, "://"); ok {
		switch scheme {
		case "http":
			g.scheme, g.port = scheme, 80
		case "https":
		default:
			return bad("has a scheme that is neither http nor https")
		}
		rest = authority
	}
	if strings.ContainsAny(rest, "/?#@") {
		return bad("holds more than a host and a port")
	}
	host, port := splitPort(rest)
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return bad("has no port from 1 to 65535 after its \":\"")
		}
		g.port = int(n)
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if addr.Zone() != "" {
			return bad("has a zone")
		}
		g.addr = addr.Unmap()
		return g, nil
	}
	if host == "*" {
		g.any = true
		return g, nil
	}
	g.name, g.below = strings.CutPrefix(host, "*.")
	if strings.HasPrefix(rest, "[") || !validHostName(g.name) {
		return bad("names no host")
	}
	return g, nil
}

// splitPort splits "host:port"; an IPv6 address with a port has brackets.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") || strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
		return s, ""
	}
	if s[i+1:] == "" {
		return s, "" // "host:" has no port and is no host either
	}
	return s[:i], s[i+1:]
}

// validHostName tells whether s, in lower case, is a name in ASCII (RFC 1123,
// section 2.1) or one with "_" in a label, as there are.
func validHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// FetchHost tells whether fetch may go to a host, a name or an address, by a scheme
// and on a port. An address has to be granted as an address: "*" is every name. Which
// addresses a name may lead to is another question (FetchAddr).
func (g *Grants) FetchHost(scheme, host string, port int) error {
	scheme = strings.ToLower(scheme)
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	literal := err == nil
	if g != nil && (literal || validHostName(name)) {
		for _, entry := range g.Fetch {
			f, bad := parseFetchGrant(entry)
			switch {
			case bad != nil || f.scheme != scheme || f.port != port || f.addr.IsValid() != literal:
			case literal && f.addr == addr.Unmap() && addr.Zone() == "", !literal && f.coversName(name):
				return nil
			}
		}
	}
	return denied("grants.fetch", "the host %.100q by %s on port %d for fetch", host, scheme, port)
}

func (f fetchGrant) coversName(name string) bool {
	switch {
	case f.any:
		return true
	case f.below:
		return strings.HasSuffix(name, "."+f.name)
	}
	return name == f.name
}

// FetchAddr tells whether an address that no name may lead to, such as a loopback
// one, was granted as that very address.
func (g *Grants) FetchAddr(scheme string, at netip.AddrPort) bool {
	if g == nil {
		return false
	}
	for _, entry := range g.Fetch {
		f, bad := parseFetchGrant(entry)
		if bad == nil && f.addr.IsValid() && f.addr == at.Addr().Unmap() && f.port == int(at.Port()) && strings.EqualFold(f.scheme, scheme) {
			return true
		}
	}
	return false
}
