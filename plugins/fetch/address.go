package fetch

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"edge/abi"
)

// guard is what a hop's connection may lead to. It travels in the context: the
// dialer's Control has nothing else.
type guard struct {
	scheme, host string
	allow        func(scheme string, at netip.AddrPort) bool
}

// guardKey is the key of a guard in a context.
type guardKey struct{}

// dial makes a connection, whose address is judged when the name was resolved.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: c.connectTime(), Resolver: c.resolver, ControlContext: judge}
	return d.DialContext(ctx, network, address)
}

// judge is the dialer's Control: address is what is about to be connected to.
func judge(ctx context.Context, _, address string, _ syscall.RawConn) error {
	g, _ := ctx.Value(guardKey{}).(guard)
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	kind := forbidden(at.Addr())
	if kind == "" || g.allow != nil && g.allow(g.scheme, netip.AddrPortFrom(at.Addr().Unmap(), at.Port())) {
		return nil
	}
	return abi.Errorf(abi.CodeDenied, "fetch: %s leads to %s, which is %s", g.host, at.Addr(), kind).
		WithSuggestion("grant that very address if the plugin is to reach it: grants: {fetch: [%q]}", g.scheme+"://"+at.String())
}

// forbidden says what an address is that no name may lead to; "" if a name may.
// Private addresses (RFC 1918, RFC 4193) are not among them: a team's own services
// have them, and are granted by name.
func forbidden(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case isMetadata(addr):
		return "a cloud's metadata service"
	case addr.IsLoopback():
		return "this machine itself"
	case addr.IsUnspecified():
		return "no address"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case addr.IsMulticast():
		return "multicast"
	}
	if addr.Is4() {
		switch b := addr.As4(); {
		case b[0] == 127: // IsLoopback has them all; so the list is whole
			return "this machine itself"
		case b[0] == 0: // RFC 1122, section 3.2.1.3
			return "no address"
		case b[0] >= 240: // RFC 1112, section 4, and broadcast
			return "reserved"
		}
		return ""
	}
	for _, inner := range embedded(addr) {
		if kind := forbidden(inner); kind != "" {
			return "another form of " + inner.String() + ", which is " + kind
		}
	}
	return ""
}

// isMetadata knows the addresses at which clouds tell machines their credentials,
// besides the link-local ones.
func isMetadata(addr netip.Addr) bool {
	switch addr.String() {
	case "169.254.169.254", "169.254.170.2", // link-local all the same
		"100.100.100.200",    // Alibaba Cloud
		"168.63.129.16",      // Azure
		"192.0.0.192",        // Oracle Cloud
		"fd00:ec2::254",      // AWS
		"fd00:ec2::23",       // AWS, pods
		"fd20:ce::254",       // Google Cloud
		"fd00:42::42",        // Scaleway
		"fd00:c1::a9fe:a9fe", // Oracle Cloud
		"fe80::a9fe:a9fe":    // OpenStack
		return true
	}
	return false
}

// embedded returns the IPv4 addresses that an IPv6 address stands for: by a
// translator or a tunnel it ends up at one of them.
func embedded(addr netip.Addr) []netip.Addr {
	b := addr.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	for _, form := range [...]struct {
		prefix string
		inner  func() []netip.Addr
	}{
		{"::/96", func() []netip.Addr { return []netip.Addr{at(12)} }},        // IPv4-compatible, RFC 4291, section 2.5.5.1
		{"64:ff9b::/96", func() []netip.Addr { return []netip.Addr{at(12)} }}, // NAT64, RFC 6052, section 2.1
		{"64:ff9b:1::/48", func() []netip.Addr { // NAT64, RFC 8215: of any length, RFC 6052, section 2.2
			return []netip.Addr{at(12), netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}), netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}), at(9)}
		}},
		{"2002::/16", func() []netip.Addr { return []netip.Addr{at(2)} }}, // 6to4, RFC 3056, section 2
		{"2001::/32", func() []netip.Addr { // Teredo, RFC 4380, section 4
			return []netip.Addr{at(4), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
		}},
	} {
		if netip.MustParsePrefix(form.prefix).Contains(addr) {
			return form.inner()
		}
	}
	if b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP, RFC 5214, section 6.1
		return []netip.Addr{at(12)}
	}
	return nil
}
