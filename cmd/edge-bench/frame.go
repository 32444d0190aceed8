package main

import "encoding/binary"

// Opcodes of RFC 6455, section 5.2. A whole message has fin set.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	fin = 0x80
)

// maxHeader is the longest head of a frame: two bytes, eight of length, four of
// mask (RFC 6455, section 5.2).
const maxHeader = 14

// frameHeader is the head of one frame.
type frameHeader struct {
	first  byte // fin, RSV bits and opcode
	masked bool
	key    [4]byte
	length int64 // of the payload
	size   int   // of the head itself
}

func (h frameHeader) opcode() byte { return h.first & 0x0F }

// parseHeader reads the head that b begins with; false is that b is too short.
// A length above 2^63-1 comes out negative, which is the caller's to refuse.
func parseHeader(b []byte) (h frameHeader, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.first, h.masked, h.size = b[0], b[1]&0x80 != 0, 2
	switch n := b[1] & 0x7F; n {
	case 126:
		if h.size = 4; len(b) < h.size {
			return h, false
		}
		h.length = int64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if h.size = 10; len(b) < h.size {
			return h, false
		}
		h.length = int64(binary.BigEndian.Uint64(b[2:]))
	default:
		h.length = int64(n)
	}
	if h.masked {
		if len(b) < h.size+4 {
			return h, false
		}
		copy(h.key[:], b[h.size:])
		h.size += 4
	}
	return h, true
}

// appendFrame appends one frame: first is fin and opcode, key masks the payload,
// nil leaves it as it is. A client may choose the key that is all zero, which
// spares both sides the work and is what the load is made with.
func appendFrame(dst []byte, first byte, key *[4]byte, payload []byte) []byte {
	dst = appendLength(append(dst, first), key != nil, len(payload))
	if key == nil {
		return append(dst, payload...)
	}
	dst = append(dst, key[:]...)
	from := len(dst)
	dst = append(dst, payload...)
	mask(dst[from:], *key, 0)
	return dst
}

func appendLength(dst []byte, masked bool, n int) []byte {
	var bit byte
	if masked {
		bit = 0x80
	}
	switch {
	case n < 126:
		return append(dst, bit|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(n))
}

// mask masks or unmasks b, which begins at the given offset of its payload (RFC
// 6455, section 5.3).
func mask(b []byte, key [4]byte, offset int64) {
	if key == [4]byte{} {
		return
	}
	var turned [8]byte
	for i := range turned {
		turned[i] = key[(offset+int64(i))&3]
	}
	word := binary.LittleEndian.Uint64(turned[:])
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
	}
	for i := range b {
		b[i] ^= turned[i]
	}
}

// pattern is a payload of n bytes that no shift of itself looks like.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = 'a' + byte(x>>8)%26
	}
	return b
}
