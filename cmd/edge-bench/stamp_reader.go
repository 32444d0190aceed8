package main

import "bytes"

// stampReader finds the events in a stream, whatever it is cut into.
type stampReader struct {
	part [len(eventMark) + eventDigits]byte
	have int
}

// next returns the next event's time, and what follows it.
func (r *stampReader) next(b []byte) (at int64, rest []byte, ok bool) {
	for len(b) > 0 {
		if r.have == 0 {
			i := bytes.IndexByte(b, eventMark[0])
			if i < 0 {
				return 0, nil, false
			}
			b = b[i:]
		}
		for len(b) > 0 && r.have < len(r.part) && r.fits(b[0]) {
			r.part[r.have] = b[0]
			r.have++
			b = b[1:]
		}
		if r.have == len(r.part) {
			r.have = 0
			at, ok := decimal(bytes.TrimLeft(r.part[len(eventMark):], "0"))
			return at, b, ok
		}
		if len(b) > 0 { // something else than an event
			if r.have == 0 {
				b = b[1:]
			}
			r.have = 0
		}
	}
	return 0, nil, false
}

// fits tells whether c is what an event has at its place.
func (r *stampReader) fits(c byte) bool {
	if r.have < len(eventMark) {
		return c == eventMark[r.have]
	}
	return '0' <= c && c <= '9'
}
