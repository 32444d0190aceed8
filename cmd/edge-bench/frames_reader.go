package main

import (
	"errors"
	"fmt"
)

// messageReader counts the messages that a server sends, however they are cut
// into frames and reads. A close, or what is no frame of a server, is an error.
type messageReader struct {
	part    [maxHeader]byte
	have    int
	left    int64 // payload of the frame at hand that is still to come
	final   bool  // the frame at hand ends a message
	payload int64 // of the message at hand, so far
}

// errMessage is that a message is not as long as what was sent.
var errMessage = errors.New("a message came back with another length")

// feed takes what was read and tells how many messages of size bytes it completes.
func (r *messageReader) feed(b []byte, size int64) (messages int, err error) {
	for len(b) > 0 || (r.left == 0 && r.final) {
		if r.left > 0 {
			n := min(r.left, int64(len(b)))
			r.left -= n
			b = b[n:]
			if r.left > 0 {
				break
			}
		}
		if r.final {
			if r.payload != size {
				return messages, fmt.Errorf("%w: %d bytes instead of %d", errMessage, r.payload, size)
			}
			r.final, r.payload = false, 0
			messages++
			continue
		}
		if len(b) == 0 {
			break
		}
		n, err := r.header(b)
		if err != nil {
			return messages, err
		}
		b = b[n:]
	}
	return messages, nil
}

// header takes the next head up, or what there is of it.
func (r *messageReader) header(b []byte) (consumed int, err error) {
	h, ok := parseHeader(b)
	if r.have > 0 || !ok {
		n := copy(r.part[r.have:], b)
		if h, ok = parseHeader(r.part[:r.have+n]); !ok {
			r.have += n
			return n, nil
		}
		h.size -= r.have
		r.have = 0
	}
	if h.masked || h.length < 0 || h.opcode() > opBinary {
		return 0, fmt.Errorf("a frame that is none of an echo: first byte %#x, masked %t", h.first, h.masked)
	}
	r.left, r.final = h.length, h.first&fin != 0
	r.payload += h.length
	return h.size, nil
}
