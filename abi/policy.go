package abi

import "slices"

// Policy is what a decision or an exposure asks the host to enforce on the
// connection that follows. Zero values mean no limit. A WebSocket that breaks it
// is closed between two frames, with the close code named below (RFC 6455,
// section 7.4.1); an HTTP answer is cut. A request that it does not admit is
// answered before anything is dialled.
type Policy struct {
	// Wait is how long a refused port is tried again on a sandbox that this
	// very request started (default 10s there, otherwise none).
	Wait Duration `json:"wait,omitempty"`
	// IdleTimeout ends a connection on which nothing was sent either way (1008).
	IdleTimeout Duration `json:"idleTimeout,omitempty"`
	// MaxDuration ends a connection however busy it is (1008).
	MaxDuration Duration `json:"maxDuration,omitempty"`
	// MaxMessageBytes bounds one WebSocket message, all fragments together (1009).
	MaxMessageBytes int64 `json:"maxMessageBytes,omitempty"`
	// MaxBytes bounds both directions together (1008).
	MaxBytes int64 `json:"maxBytes,omitempty"`
	// MessagesPerSecond bounds the WebSocket messages that the client sends, with
	// bursts of up to one second's worth (1013). What the sandbox sends is not
	// counted, nor are pings, pongs and HTTP requests.
	MessagesPerSecond int `json:"messagesPerSecond,omitempty"`
	// PingInterval has the host send the client of a WebSocket a ping after so
	// long without a byte either way; a client that then stays silent for two
	// more intervals is closed (1001).
	PingInterval Duration `json:"pingInterval,omitempty"`
	// AllowOrigins are the web sites whose pages may connect, 1 to 64 of them; left
	// out, all may. A request, WebSocket handshake or not, whose Origin none of
	// them matches is answered 403 DENIED. One without Origin passes: browsers
	// always send it where a page of another site can read the answer, and other
	// programs could make it up. Pages of a preview's own host name always pass. An
	// entry is "https://app.example.com", which is that origin exactly;
	// "app.example.com", by http or https and on any port unless one is named;
	// "*.example.com", every name below that one and not the name itself, also
	// with a scheme or a port; or "null".
	AllowOrigins []string `json:"allowOrigins,omitzero"`
	// Protocols are the WebSocket subprotocols that may be spoken (RFC 6455,
	// section 1.9), 1 to 64 of them, compared to the letter; left out, any and
	// none. The sandbox is offered those of the client's that stand here, in the
	// client's order. A handshake that offers none of them is answered 400
	// INVALID_REQUEST.
	Protocols []string `json:"protocols,omitzero"`
}

// MaxPolicyEntries bounds AllowOrigins and Protocols.
const MaxPolicyEntries = 64

// IsZero tells whether the policy asks for nothing.
func (p Policy) IsZero() bool { return p.Equal(Policy{}) }

// Equal tells whether two policies ask for the same, in the same words.
func (p Policy) Equal(o Policy) bool {
	return p.Wait == o.Wait && p.IdleTimeout == o.IdleTimeout && p.MaxDuration == o.MaxDuration &&
		p.MaxMessageBytes == o.MaxMessageBytes && p.MaxBytes == o.MaxBytes &&
		p.MessagesPerSecond == o.MessagesPerSecond && p.PingInterval == o.PingInterval &&
		sameList(p.AllowOrigins, o.AllowOrigins) && sameList(p.Protocols, o.Protocols)
}

// sameList compares lists of which nil is all and an empty one is none.
func sameList(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// Check returns INVALID_REQUEST, with the field and the value named, for a policy
// that cannot be carried out: a negative limit, an empty or too long list, an
// entry that is no origin or no subprotocol.
func (p *Policy) Check() error {
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"maxMessageBytes", p.MaxMessageBytes}, {"maxBytes", p.MaxBytes}, {"messagesPerSecond", int64(p.MessagesPerSecond)},
	} {
		if limit.value < 0 {
			return Errorf(CodeInvalidRequest, "policy: %s: %d is negative; want a number above 0, or 0 for no limit", limit.name, limit.value)
		}
	}
	for _, span := range []struct {
		name  string
		value Duration
	}{
		{"wait", p.Wait}, {"idleTimeout", p.IdleTimeout}, {"maxDuration", p.MaxDuration}, {"pingInterval", p.PingInterval},
	} {
		if span.value < 0 {
			return Errorf(CodeInvalidRequest, "policy: %s: %s is negative; want a span above 0, or 0 for no limit", span.name, span.value.D())
		}
	}
	if err := checkEntries("allowOrigins", "every origin", p.AllowOrigins, func(s string) error {
		_, err := ParseOriginPattern(s)
		return err
	}); err != nil {
		return err
	}
	return checkEntries("protocols", "every subprotocol", p.Protocols, func(s string) error {
		if !ValidToken(s) {
			return Errorf(CodeInvalidRequest, "%.60q is not the name of a subprotocol; want a token like \"chat.v2\"", s)
		}
		return nil
	})
}

// checkEntries checks a list that is nil when there is none.
func checkEntries(field, all string, list []string, check func(string) error) error {
	switch {
	case list == nil:
		return nil
	case len(list) == 0:
		return Errorf(CodeInvalidRequest, "policy: %s is empty, which would let nobody in; leave it out to allow %s", field, all)
	case len(list) > MaxPolicyEntries:
		return Errorf(CodeInvalidRequest, "policy: %s has %d entries; want at most %d", field, len(list), MaxPolicyEntries)
	}
	for _, entry := range list {
		if err := check(entry); err != nil {
			return Errorf(CodeInvalidRequest, "policy: %s: %s", field, AsError(err).Message)
		}
	}
	return nil
}
