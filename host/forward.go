package host

import (
	"net"
	"slices"
	"strings"

	"edge/abi"
	"edge/bridge"
)

// backendHead is what the sandbox's server is sent: the client's head with the
// plugin's edits, less what belongs to this hop, plus what is true about the
// client.
//
// Host and Origin follow one rule for HTTP and WebSocket alike. Through an
// exposure they are what its Host policy says (see visit). A plugin's Connect or
// Proxy with a port leaves both as the client sent them: there the address is part
// of the application. What opens a preview is nobody's behind the edge.
func (x *exchange) backendHead() *bridge.Head {
	t := &x.target
	h := &bridge.Head{Method: x.req.Method}
	x.showRelayed(h)
	if t.path != "" || x.named || t.visit != nil {
		h.Target = or(t.path, x.req.Path)
		if query, any := withoutProofs(x.req.Query); any && x.req.HasQuery {
			h.Target += "?" + query
		}
	} else {
		h.Target = x.req.Target()
	}
	if x.body != nil {
		complete, read, left := x.body.state()
		if !complete || read == 0 {
			h.Body, h.ContentLength = x.body, left
		}
	}
	own := x.forwardingHeaders()
	h.Headers = make([]bridge.Header, 0, len(x.req.Headers)+len(own))
	for _, hd := range x.req.Headers {
		keep := true
		switch {
		case t.visit != nil:
			hd.Value, keep = t.visit.edit(x.s, hd)
		case x.named && strings.EqualFold(hd.Name, "Cookie"):
			hd.Value, keep = withoutSessions(hd.Value)
		}
		switch {
		case !keep:
			continue
		case strings.EqualFold(hd.Name, "Connection"):
			// What it names was removed at the gate; the bridge, which knows
			// nothing of that, would take a plugin's own headers away.
			continue
		case hasPrefixFold(hd.Name, "X-"):
			for i := range own {
				if strings.EqualFold(hd.Name, own[i].Name) {
					own[i].Name = "" // a plugin's own word stands
				}
			}
		}
		h.Headers = append(h.Headers, bridge.Header{Name: hd.Name, Value: hd.Value})
	}
	for _, hd := range own {
		if hd.Name != "" {
			h.Headers = append(h.Headers, hd)
		}
	}
	return h
}

// forwardingHeaders tell the server where the client is; those without a name are
// none.
func (x *exchange) forwardingHeaders() [6]bridge.Header {
	client, _, err := net.SplitHostPort(x.req.RemoteAddr)
	if err != nil {
		client = x.req.RemoteAddr
	}
	prefix := bridge.Header{}
	if v := x.target.visit; v != nil && v.prefix != "" {
		prefix = bridge.Header{Name: "X-Forwarded-Prefix", Value: v.prefix}
	}
	return [...]bridge.Header{
		{Name: "X-Forwarded-For", Value: client},
		{Name: "X-Forwarded-Proto", Value: x.req.Scheme},
		{Name: "X-Forwarded-Host", Value: x.req.Host},
		{Name: "X-Forwarded-Port", Value: x.from.forwardedPort(x.req.Host)},
		{Name: "X-Sandbox-Id", Value: x.target.ref.ID},
		prefix,
	}
}

// sameSite tells whether an Origin (RFC 6454, section 6.2) is that of pages from
// host. The scheme does not count: TLS may end in front of the edge.
func sameSite(origin, host string) bool {
	scheme, authority, ok := strings.Cut(origin, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) && strings.EqualFold(authority, host)
}

// stricter returns the policy that keeps to both.
func stricter(a, b abi.Policy) abi.Policy {
	return abi.Policy{
		Wait:              least(a.Wait, b.Wait),
		IdleTimeout:       least(a.IdleTimeout, b.IdleTimeout),
		MaxDuration:       least(a.MaxDuration, b.MaxDuration),
		MaxMessageBytes:   least(a.MaxMessageBytes, b.MaxMessageBytes),
		MaxBytes:          least(a.MaxBytes, b.MaxBytes),
		MessagesPerSecond: least(a.MessagesPerSecond, b.MessagesPerSecond),
		PingInterval:      least(a.PingInterval, b.PingInterval),
		AllowOrigins:      inBoth(a.AllowOrigins, b.AllowOrigins, commonOrigin),
		Protocols:         inBoth(a.Protocols, b.Protocols, func(p, q string) (string, bool) { return p, p == q }),
	}
}

// inBoth is what two lists both allow, in the order of the first. Nil allows
// everything, an empty list nothing.
func inBoth(a, b []string, common func(p, q string) (string, bool)) []string {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := []string{}
	for _, p := range a {
		for _, q := range b {
			if c, ok := common(p, q); ok && !slices.Contains(both, c) {
				both = append(both, c)
			}
		}
	}
	return both
}

// commonOrigin is the pattern of the origins that two patterns match.
func commonOrigin(p, q string) (string, bool) {
	a, err := abi.ParseOriginPattern(p)
	if err != nil {
		return "", false
	}
	b, err := abi.ParseOriginPattern(q)
	if err != nil {
		return "", false
	}
	c, ok := a.Intersect(b)
	return c.String(), ok
}

// least is the smaller of two limits, where 0 is none.
func least[T abi.Duration | int64 | int](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
