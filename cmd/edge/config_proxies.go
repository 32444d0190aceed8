package main

import (
	"fmt"
	"net/netip"
	"slices"
)

// Proxies are what may stand in front of the edge.
type Proxies struct {
	// Trusted are the addresses of those whose X-Forwarded-For, -Proto and -Port
	// are believed.
	Trusted []netip.Prefix
	// Protocol has their connections begin with a PROXY protocol header.
	Protocol bool
}

// readTrustedProxies reads addresses and networks.
func (c *Config) readTrustedProxies(v value) {
	v.list(func(_ int, item value) {
		s, ok := item.text("an address, or a network like 10.0.0.0/8")
		if !ok {
			return
		}
		p, err := parseNetwork(s)
		switch {
		case err != nil:
			item.fail("%v", err)
		case slices.Contains(c.Proxies.Trusted, p):
			item.fail("%q stands there twice", s)
		default:
			c.Proxies.Trusted = append(c.Proxies.Trusted, p)
			if p.Bits() == 0 {
				c.warn(item, "%s is everybody: any client may say that it is another one", s)
			}
		}
	})
}

// warnOfScheme warns of URLs that say https where nobody tells the edge that requests
// came over it: their redirects and cookies would be those of http.
func (c *Config) warnOfScheme(external value) {
	if c.External.Scheme == "https" && c.TLS.Mode == "" && len(c.Proxies.Trusted) == 0 {
		c.warn(external, "external says https, and no proxy is believed that says it of a request: redirects, cookies and servers have http; name the proxy in trustedProxies, and have it send X-Forwarded-Proto")
	}
}

// parseNetwork reads an address, which is a network of its own, or a network.
func parseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, e := netip.ParseAddr(s); e == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil || !p.IsValid():
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", s)
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 address in IPv6; write it as IPv4", s)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits behind its first %d; %s is the network, %s that one address", s, p.Bits(), p.Masked(), p.Addr())
	}
	return p, nil
}

// readProxyProtocol reads whether trusted proxies announce connections; those are
// known by then.
func (c *Config) readProxyProtocol(v value) {
	switch s, isString, ok := v.scalar(); {
	case !ok || isString || s != "true" && s != "false":
		v.fail("%s; want true or false", v.found())
	case s == "true" && len(c.Proxies.Trusted) == 0:
		v.fail("trustedProxies must name the proxies that send it; from others it is not accepted")
	default:
		c.Proxies.Protocol = s == "true"
	}
}
