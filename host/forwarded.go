package host

import (
	"net/netip"
	"strconv"
	"strings"
)

// forwarding is what the headers of a request say that a proxy in front has put
// there. Whether that is believed is up to who sent them.
type forwarding struct {
	fors          []string // the X-Forwarded-For headers
	proto, port   string
	protos, ports int
}

// note remembers a header, if it is one of those that can be believed.
func (f *forwarding) note(name, value string) {
	switch {
	case strings.EqualFold(name, "X-Forwarded-For"):
		f.fors = append(f.fors, value)
	case strings.EqualFold(name, "X-Forwarded-Proto"):
		f.protos++
		f.proto = value
	case strings.EqualFold(name, "X-Forwarded-Port"):
		f.ports++
		f.port = value
	}
}

// trusts tells whether an address is one of the proxies in front.
func (s *Server) trusts(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range s.TrustedProxies {
		if p.Contains(a) { // never, if a is not valid
			return true
		}
	}
	return false
}

// origin is where a request came from, whoever brought it.
type origin struct {
	client netip.AddrPort // not valid if it has none; port 0 where that is not known
	scheme string         // "http" or "https"
	port   int            // on which the client asked; 0: as Host and scheme say
}

// originOf finds whose request it is. Of what proxies say only that counts which a
// trusted one has said: X-Forwarded-For is read from its end, where the proxy that
// is nearest wrote, up to the first address that is no trusted proxy's. What cannot
// be understood ends the search, and is as good as not there.
func (s *Server) originOf(c *clientConn, f *forwarding) (o origin, odd string) {
	o = origin{client: c.peer, scheme: "http"}
	if c.secure {
		o.scheme = "https"
	}
	if f == nil || !c.trusted {
		return o, ""
	}
	o.client, odd = s.walkBack(c.peer, f.fors)
	switch {
	case f.protos == 0:
	case f.protos == 1 && (strings.EqualFold(f.proto, "http") || strings.EqualFold(f.proto, "https")):
		o.scheme = strings.ToLower(f.proto)
	default:
		odd = "X-Forwarded-Proto"
	}
	switch port, ok := parsePort(f.port); {
	case f.ports == 0:
	case f.ports == 1 && ok:
		o.port = port
	default:
		odd = "X-Forwarded-Port"
	}
	return o, odd
}

// walkBack walks from a trusted proxy back to the client.
func (s *Server) walkBack(peer netip.AddrPort, fors []string) (client netip.AddrPort, odd string) {
	client = peer
	for i := len(fors) - 1; i >= 0; i-- {
		for list, more := fors[i], true; more; {
			var hop string
			if at := strings.LastIndexByte(list, ','); at >= 0 {
				list, hop = list[:at], list[at+1:]
			} else {
				list, hop, more = "", list, false
			}
			if hop = strings.Trim(hop, " \t"); hop == "" {
				continue // an empty element of a list says nothing (RFC 9110, section 5.6.1)
			}
			a, ok := parseHop(hop)
			if !ok {
				return client, "X-Forwarded-For"
			}
			if client = a; !s.trusts(a.Addr()) {
				return client, ""
			}
		}
	}
	return client, ""
}

// parseHop reads an address as proxies write it: "192.0.2.1", "192.0.2.1:80",
// "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80".
func parseHop(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil && (s[0] == '[') == (s[len(s)-1] == ']') {
		return hopAddress(a, 0, s[0] == '[')
	}
	p, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return hopAddress(p.Addr(), p.Port(), s[0] == '[')
}

// hopAddress refuses what is no client's: an address within a zone, which has a
// meaning on one machine alone, and an IPv4 one in brackets.
func hopAddress(a netip.Addr, port uint16, brackets bool) (netip.AddrPort, bool) {
	if a.Zone() != "" || brackets && a.Is4() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), port), true
}

// parsePort reads the number of a port.
func parsePort(s string) (int, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' { // no sign
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && n > 0
}

// forwardedPort is the port on which the client asked, for a backend that makes
// URLs: that of Host, or the scheme's.
func (o *origin) forwardedPort(host string) string {
	if o.port > 0 {
		return strconv.Itoa(o.port)
	}
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		if port, ok := parsePort(host[at+1:]); ok && host[at+1] != '0' {
			return host[at+1:]
		} else if ok {
			return strconv.Itoa(port)
		}
	}
	if o.scheme == "https" {
		return "443"
	}
	return "80"
}
