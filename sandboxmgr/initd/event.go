package initd

import (
	"edge/abi"
)

// Events with data are written by hand: they carry whatever a process prints,
// which is encoded once, in place, and cut to what one event may hold.

const (
	eventType = `{"type":"`
	eventData = `","data":"`
	eventEnd  = `"}`
)

// beginEvent appends the begin of an event of a type with data.
func beginEvent(b []byte, typ string) []byte {
	return append(append(append(b, eventType...), typ...), eventData...)
}

// outputEvents makes events of one stream of a command. An event never ends
// within a character.
type outputEvents struct {
	typ      abi.ExecEventType
	encoding string
	text     textEncoder
}

// next appends to b one event with as much of p as fits, and returns what is left
// of p. out is empty if all of it is held back.
func (o *outputEvents) next(b, p []byte) (out, rest []byte) {
	const limit = abi.MaxStreamText - len(eventEnd)
	b = beginEvent(b, string(o.typ))
	begun := len(b)
	if o.encoding == encodingBase64 {
		b, rest = appendBase64(b, p, limit)
	} else {
		b, rest = o.text.append(b, p, limit)
	}
	if len(b) == begun {
		return nil, rest
	}
	return append(b, eventEnd...), rest
}

// last appends to b the event of what is still held back; out is empty if nothing
// is.
func (o *outputEvents) last(b []byte) (out []byte) {
	if o.text.held == 0 {
		return nil
	}
	return append(o.text.flush(beginEvent(b, string(o.typ))), eventEnd...)
}
