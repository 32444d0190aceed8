package bridge

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Frame header bits (RFC 6455, section 5.2).
const (
	bitFin  = 0x80
	bitRSV1 = 0x40
	bitsRSV = 0x70
	bitMask = 0x80

	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10

	maxHeader  = 14  // 2, 8 of length, 4 of mask
	maxControl = 125 // payload of a control frame
)

// Close codes that the edge itself sends (RFC 6455, section 7.4.1).
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeNoStatus  = 1005
	closeAbnormal  = 1006
	closePolicy    = 1008
	closeTooBig    = 1009
	closeTryLater  = 1013
)

// scanner state bits.
const (
	scanMasked  uint8 = 1 << iota // frames must be masked: they come from a client
	scanDeflate                   // RSV1 may open a message
	scanOpen                      // a fragmented message is under way
	scanLast                      // the current frame ends a data message
	scanClose                     // the current frame is a Close
	scanClosed                    // a Close has passed, whole
	scanRated                     // allow bounds how many messages may begin
)

// scanner follows the frames of one direction without touching them: it checks
// headers, skips payloads, and knows whether the stream stands between two
// frames. It is 40 bytes and allocates nothing.
//
// Whether a length is encoded in the fewest bytes (a MUST of section 5.2) is
// left to the endpoint: the frame's end is the same either way, so two readers
// cannot disagree about what follows. So is the code of a Close (section 7.4),
// behind which nothing follows.
type scanner struct {
	left     uint64 // payload bytes of the current frame still to come
	message  int64  // payload bytes of the current message
	max      int64  // bound of message; 0: none
	messages int64  // whole data messages
	allow    uint32 // messages that may begin, with scanRated
	code     uint16 // of the Close frame
	state    uint8
}

func newScanner(fromClient, deflate bool, maxMessage int64) scanner {
	s := scanner{max: maxMessage}
	if fromClient {
		s.state |= scanMasked
	}
	if deflate {
		s.state |= scanDeflate
	}
	return s
}

// scanner follows one direction of a connection with this policy.
func (pol *Policy) scanner(fromClient bool) scanner {
	s := newScanner(fromClient, pol.Deflate, pol.MaxMessageBytes)
	if fromClient && pol.MessagesPerSecond > 0 {
		s.state |= scanRated
	}
	return s
}

// frameError is a breach and the close code that it earns.
type frameError struct {
	code   int
	reason string
}

func (e *frameError) Error() string { return fmt.Sprintf("%s (%d)", e.reason, e.code) }

// Unwrap makes a frameError ErrProtocol or ErrPolicy.
func (e *frameError) Unwrap() error {
	if e.code == closeProtocol {
		return ErrProtocol
	}
	return ErrPolicy
}

// between says that the last byte scanned ended a frame, or that none came yet.
func (s *scanner) between() bool { return s.left == 0 }

// closed says that a Close frame has passed.
func (s *scanner) closed() bool { return s.state&scanClosed != 0 }

// scan follows p and returns how many of its bytes are whole headers and
// payload. The rest, at most 13 bytes, is the beginning of a header: the caller
// shows it again with what follows, so that a header is never half sent on and
// an error always stands at a frame boundary. With one set, scan stops at the
// first end of a frame. After an error the bytes before it are good.
func (s *scanner) scan(p []byte, one bool) (int, error) {
	n := 0
	for {
		if s.left > 0 {
			k := min(uint64(len(p)-n), s.left)
			s.left -= k
			n += int(k)
			if s.left > 0 {
				return n, nil
			}
			s.end()
			if one {
				return n, nil
			}
		}
		if n == len(p) {
			return n, nil
		}
		h, err := s.header(p[n:])
		if h == 0 || err != nil {
			return n, err
		}
		n += h
		if s.left == 0 {
			s.end()
			if one {
				return n, nil
			}
		}
	}
}

// end notes that a frame is complete.
func (s *scanner) end() {
	switch {
	case s.state&scanLast != 0:
		s.messages++
		s.message = 0
	case s.state&scanClose != 0:
		s.state |= scanClosed
	}
	s.state &^= scanLast | scanClose
}

// header reads one frame header at the start of p: its length, or 0 when it is
// not wholly there. What the first two bytes give away is refused at once.
func (s *scanner) header(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, nil
	}
	b0, b1 := p[0], p[1]
	if err := s.check(b0, b1); err != nil {
		return 0, err
	}
	h, length := 2, uint64(b1&^bitMask)
	switch length {
	case 126:
		if h = 4; len(p) >= h {
			length = uint64(binary.BigEndian.Uint16(p[2:]))
		}
	case 127:
		if h = 10; len(p) >= h {
			length = binary.BigEndian.Uint64(p[2:])
		}
	}
	mask := h
	if b1&bitMask != 0 {
		h += 4
	}
	if len(p) < h {
		return 0, nil
	}
	if length > math.MaxInt64 {
		return 0, &frameError{closeProtocol, "frame length of 2^63 or more"}
	}
	if b0&0x8 != 0 {
		if b0&0xf == opClose {
			if length >= 2 && len(p) < h+2 {
				return 0, nil // the code counts as header, so that the log can tell it
			}
			s.state |= scanClose
			s.code = closeCode(p[h:], p[mask:h], length)
		}
		s.left = length
		return h, nil
	}
	if s.max > 0 && length > uint64(s.max-s.message) {
		return 0, &frameError{closeTooBig, "message too big"}
	}
	if s.state&scanRated != 0 && b0&0xf != opContinuation {
		if s.allow == 0 {
			return 0, &frameError{closeTryLater, "too many messages"}
		}
		s.allow--
	}
	s.begin(b0, length)
	return h, nil
}

// begin notes the start of a data frame.
func (s *scanner) begin(b0 byte, length uint64) {
	s.left = length
	if s.max > 0 {
		s.message += int64(length)
	}
	if b0&bitFin != 0 {
		s.state = s.state&^scanOpen | scanLast
	} else {
		s.state |= scanOpen
	}
}

// check judges the two bytes that every header has.
func (s *scanner) check(b0, b1 byte) error {
	masked := b1&bitMask != 0
	if want := s.state&scanMasked != 0; masked != want {
		if want {
			return &frameError{closeProtocol, "unmasked frame from a client"}
		}
		return &frameError{closeProtocol, "masked frame from a server"}
	}
	op := b0 & 0xf
	if rsv := b0 & bitsRSV; rsv != 0 {
		if rsv != bitRSV1 || s.state&scanDeflate == 0 || op != opText && op != opBinary {
			return &frameError{closeProtocol, "reserved bit set"}
		}
	}
	switch op {
	case opContinuation:
		if s.state&scanOpen == 0 {
			return &frameError{closeProtocol, "continuation of no message"}
		}
	case opText, opBinary:
		if s.state&scanOpen != 0 {
			return &frameError{closeProtocol, "message inside a message"}
		}
	case opClose, opPing, opPong:
		if b0&bitFin == 0 {
			return &frameError{closeProtocol, "fragmented control frame"}
		}
		if b1&^bitMask > maxControl {
			return &frameError{closeProtocol, "control frame too long"}
		}
	default:
		return &frameError{closeProtocol, "reserved opcode"}
	}
	return nil
}

// closeCode reads the code of a Close frame whose payload starts at p: 1005 when
// it has none.
func closeCode(p, mask []byte, length uint64) uint16 {
	if length < 2 {
		return closeNoStatus
	}
	code := binary.BigEndian.Uint16(p)
	if len(mask) == 4 {
		code ^= binary.BigEndian.Uint16(mask)
	}
	return code
}

// appendClose appends a whole Close frame; mask is nil toward a client. The
// reason is cut to what a control frame holds, at a rune boundary.
func appendClose(dst []byte, code int, reason string, mask []byte) []byte {
	reason = cutUTF8(reason, maxControl-2)
	n := byte(2 + len(reason))
	if mask == nil {
		dst = append(dst, bitFin|opClose, n)
	} else {
		dst = append(dst, bitFin|opClose, bitMask|n)
		dst = append(dst, mask...)
	}
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	dst = append(dst, reason...)
	if mask != nil {
		for i := range dst[at:] {
			dst[at+i] ^= mask[i&3]
		}
	}
	return dst
}

// cutUTF8 shortens s to at most n bytes of valid UTF-8.
func cutUTF8(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
