package guest

import (
	"encoding/json"
	"strconv"

	"edge/abi"
)

// The requests of operations and the options of decisions are JSON (SPEC.md,
// sections 5 and 6). What handlers ask for on every request is written here by
// hand: encoding/json takes tens of microseconds for it in a module, more than all
// the rest of a decision. It writes everything else, and the tests hold the two
// against each other.

// envelope returns in's JSON with "sandbox" as its first field.
func (s *Sandbox) envelope(in any) ([]byte, error) {
	b := append(make([]byte, 0, 256), `{"sandbox":`...)
	b, err := s.appendRef(b)
	if err != nil {
		return nil, err
	}
	switch in := in.(type) {
	case *abi.Empty:
		return append(b, '}'), nil
	case *abi.ProcessRequest:
		return append(appendText(b, "processId", in.ProcessID), '}'), nil
	case *abi.WaitForPortRequest:
		if in.Status == nil {
			return append(appendWaitForPort(b, in), '}'), nil
		}
	}
	fields, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	if len(fields) > len("{}") {
		b = append(b, ',')
	}
	return append(b, fields[1:]...), nil
}

// appendRef appends the sandbox's name and options as JSON.
func (s *Sandbox) appendRef(b []byte) ([]byte, error) {
	if s.options() == nil {
		b = appendString(append(b, `{"binding":`...), s.ref.Binding)
		b = appendString(append(b, `,"id":`...), s.ref.ID)
		return append(b, '}'), nil
	}
	if s.encoded == nil {
		encoded, err := json.Marshal(&s.ref)
		if err != nil {
			return nil, err
		}
		s.encoded = encoded
	}
	return append(b, s.encoded...), nil
}

// appendWaitForPort appends the fields of a request without a Status.
func appendWaitForPort(b []byte, in *abi.WaitForPortRequest) []byte {
	b = appendNumber(b, "port", int64(in.Port))
	for _, f := range [...]struct{ name, value string }{
		{"processId", in.ProcessID}, {"mode", in.Mode}, {"path", in.Path},
	} {
		if f.value != "" {
			b = appendText(b, f.name, f.value)
		}
	}
	if in.Timeout != 0 {
		b = appendNumber(b, "timeout", in.Timeout.D().Milliseconds())
	}
	if in.Interval != 0 {
		b = appendNumber(b, "interval", in.Interval.D().Milliseconds())
	}
	return b
}

// appendLimits appends a policy without lists that asks for something.
func appendLimits(b []byte, p *Policy) []byte {
	begin := len(b)
	for _, f := range [...]struct {
		name   string
		span   Duration
		number int64
	}{
		{name: "wait", span: p.Wait}, {name: "idleTimeout", span: p.IdleTimeout}, {name: "maxDuration", span: p.MaxDuration},
		{name: "maxMessageBytes", number: p.MaxMessageBytes}, {name: "maxBytes", number: p.MaxBytes},
		{name: "messagesPerSecond", number: int64(p.MessagesPerSecond)}, {name: "pingInterval", span: p.PingInterval},
	} {
		switch {
		case f.span != 0:
			b = appendNumber(b, f.name, f.span.D().Milliseconds())
		case f.number != 0:
			b = appendNumber(b, f.name, f.number)
		}
	}
	b[begin] = '{' // where the first field has a comma
	return append(b, '}')
}

// appendNumber appends a further field of an object.
func appendNumber(b []byte, name string, v int64) []byte {
	return strconv.AppendInt(appendName(b, name), v, 10)
}

// appendText appends a further field of an object.
func appendText(b []byte, name, v string) []byte { return appendString(appendName(b, name), v) }

// appendName appends the name of a further field, which is plain.
func appendName(b []byte, name string) []byte {
	b = append(append(b, ',', '"'), name...)
	return append(b, '"', ':')
}

// appendString appends s as encoding/json writes it.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			text, _ := json.Marshal(s) // a string is always JSON
			return append(b, text...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}
