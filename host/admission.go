package host

import (
	"net/netip"
	"strings"

	"edge/abi"
)

// The breaches of a policy that are found before anything is dialled.
const (
	breachOrigin   = "origin"
	breachProtocol = "protocol"
)

// admit checks what a policy says of the request itself, and counts it in. After
// an error, which is the answer, nothing was done in the sandbox's name.
func (x *exchange) admit() error {
	t := &x.target
	if err := x.checkOrigin(&t.policy); err != nil {
		x.breach = breachOrigin
		return err
	}
	if err := x.chooseProtocols(t.policy.Protocols); err != nil {
		x.breach = breachProtocol
		return err
	}
	var client netip.Addr
	if x.s.Limits.PerClient > 0 {
		client = countedAs(x.from.client.Addr())
	}
	s, over := x.s.slots.take(&x.s.Limits, t, client)
	if over != nil {
		x.breach = over.breach
		return over.err()
	}
	x.slot = s
	return nil
}

// checkOrigin refuses pages of sites that the policy does not name. What counts is
// the Origin that the client sent, whatever a plugin has made of it since.
//
// A preview's own pages pass: its name is the exposure's alone, and cannot be
// known before it is exposed. That is not so of the path form, where previews
// share an origin, nor of a plugin's address, which any name may lead to.
func (x *exchange) checkOrigin(p *abi.Policy) error {
	if p.AllowOrigins == nil || x.head.origins == 0 {
		return nil
	}
	if x.head.origins == 1 {
		if x.target.ownName && sameSite(x.head.origin, x.head.host) || p.AllowsOrigin(x.head.origin) {
			return nil
		}
	}
	return abi.Errorf(abi.CodeDenied, "pages of %.100q may not connect here", x.head.origin).
		WithSuggestion("allowOrigins of the policy says whose may")
}

// chooseProtocols leaves of the subprotocols that a handshake offers (RFC 6455,
// section 11.3.4) those that the policy allows, in the client's order.
func (x *exchange) chooseProtocols(allowed []string) error {
	if allowed == nil || !x.head.upgrade {
		return nil
	}
	offered, common := 0, []string{}
	for _, v := range x.req.HeaderValues("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.Trim(p, " \t"); p == "" {
				continue
			}
			offered++
			for _, a := range allowed {
				if p == a {
					common = append(common, p)
					break
				}
			}
		}
	}
	want := "want one of " + strings.Join(allowed, ", ")
	if len(allowed) == 0 { // what two policies have in common
		want = "none is"
	}
	switch {
	case offered == 0:
		return abi.Errorf(abi.CodeInvalidRequest, "the handshake offers no subprotocol in Sec-WebSocket-Protocol; %s", want)
	case len(common) == 0:
		return abi.Errorf(abi.CodeInvalidRequest, "none of the subprotocols that the handshake offers is spoken here; %s", want)
	case len(common) < offered:
		x.req.SetHeader("Sec-WebSocket-Protocol", strings.Join(common, ", "))
	}
	return nil
}
