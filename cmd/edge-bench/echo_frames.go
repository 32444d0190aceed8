package main

// headroom is how many bytes before its input turn may write to.
const headroom = 16

// moveLimit is up to how many bytes turn closes the gap that a frame's mask
// leaves; beyond it, sending what is done in a write of its own costs less.
const moveLimit = 32 << 10

// echoStream turns what a client sends into what an echo server answers, in
// place and as the bytes come: data frames come back without their mask, a ping
// as a pong, a close as the same close. It keeps the cut head of one frame and
// no payload.
type echoStream struct {
	part [maxHeader]byte // the begin of a head that a read cut
	have int

	left   int64 // payload of the frame at hand that is still to come
	at     int64 // and how much of it has come
	key    [4]byte
	drop   bool // the frame at hand is not answered: a pong
	last   bool // the frame at hand is a close
	closed bool // a close was answered; what follows is ignored
	bad    bool // what the client sends is no WebSocket
}

// turn answers buf[pos:to]. The answer is buf[start:end]; input from next on is
// not answered yet, and the caller sends the answer and calls again with it. buf
// has headroom bytes before pos.
func (e *echoStream) turn(buf []byte, pos, to int) (start, end, next int) {
	start, end = -1, -1
	for pos < to && !e.closed {
		if e.left > 0 {
			n := int(min(e.left, int64(to-pos)))
			if !e.drop {
				mask(buf[pos:pos+n], e.key, e.at)
				if end < 0 {
					start, end = pos, pos
				}
				if end != pos {
					copy(buf[end:], buf[pos:pos+n])
				}
				end += n
			}
			pos += n
			e.at += int64(n)
			e.left -= int64(n)
			e.closed = e.last && e.left == 0
			continue
		}
		h, consumed, ok := e.header(buf[pos:to])
		if !ok {
			pos = to
			break
		}
		if end > start && min(h.length, int64(to-pos)) > moveLimit {
			break
		}
		e.have = 0
		pos += consumed
		if !e.begin(h) {
			break
		}
		if e.drop {
			continue
		}
		if end < 0 {
			var head [maxHeader]byte
			made := appendLength(append(head[:0], answerTo(h.first)), false, int(h.length))
			start, end = pos-len(made), pos
			copy(buf[start:], made)
			continue
		}
		// Without its mask a head is shorter than it was: there is room.
		end = len(appendLength(append(buf[:end], answerTo(h.first)), false, int(h.length)))
	}
	if end < 0 {
		start, end = 0, 0
	}
	if e.closed || e.bad {
		pos = to
	}
	return start, end, pos
}

// header reads the head that b continues. Without a whole one it keeps b.
func (e *echoStream) header(b []byte) (h frameHeader, consumed int, ok bool) {
	if e.have == 0 {
		if h, ok = parseHeader(b); ok {
			return h, h.size, true
		}
		e.have = copy(e.part[:], b)
		return h, 0, false
	}
	whole := e.have + copy(e.part[e.have:], b)
	if h, ok = parseHeader(e.part[:whole]); ok {
		return h, h.size - e.have, true
	}
	e.have = whole
	return h, 0, false
}

// begin takes a frame up; false is that it is none that a client may send.
func (e *echoStream) begin(h frameHeader) bool {
	if !h.masked || h.length < 0 || (h.opcode() >= opClose && h.length > 125) {
		e.bad = true
		return false
	}
	e.left, e.at, e.key = h.length, 0, h.key
	e.drop, e.last = h.opcode() == opPong, h.opcode() == opClose
	e.closed = e.last && h.length == 0
	return true
}

// answerTo is the first byte of the frame that answers one.
func answerTo(first byte) byte {
	if first&0x0F == opPing {
		return first&0xF0 | opPong
	}
	return first
}
