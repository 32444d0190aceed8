package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestEngineIsTransparent: every byte as it was, however it is split.
func TestEngineIsTransparent(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		r := e.rig(t, Policy{Deflate: true})
		up := join(frame(0x01, "a", true), frame(0x89, "ping", true), frame(0x00, text(300), true), frame(0x80, "", true),
			frame(0xc1, "deflated", true), frame(0x82, text(70000), true), frame(0x8a, "pong", true), frame(0x88, "\x0f\xa0why", true))
		down := join(frame(0x42, "zz", false), frame(0x80, text(126), false), frame(0x8a, "ping", false), frame(0x88, "\x0f\xa0why", false))
		rnd := rand.New(rand.NewPCG(1, 2))
		send := func(c *raw, b []byte) {
			for _, p := range pieces(rnd, b) {
				c.Write(p)
			}
		}
		send(r.client, up[:len(up)-11]) // all but the Close
		r.backend.expect(string(up[:len(up)-11]))
		send(r.backend, down)
		r.client.expect(string(down))
		send(r.client, up[len(up)-11:])
		r.backend.expect(string(up[len(up)-11:]))
		r.backend.Close()
		r.client.expectEnd()
		r.client.Close()
		s := r.summary()
		if s.Status != 101 || s.BytesIn != int64(len(up)) || s.BytesOut != int64(len(down)) || s.MessagesIn != 3 || s.MessagesOut != 1 ||
			s.Close != "backend 4000" || s.Err != nil || s.Breach != "" {
			t.Errorf("summary %+v", s)
		}
	})
}

// headers is one frame of each header form: three lengths, data, control, Close
// with and without a code.
func headerForms(masked bool) [][]byte {
	return [][]byte{
		frame(0x82, "", masked),
		frame(0x81, text(125), masked),
		frame(0x01, text(126), masked),
		frame(0x89, "", masked),
		frame(0x00, text(65535), masked),
		frame(0x8a, text(125), masked),
		frame(0x80, text(65536), masked),
		frame(0x88, "\x03\xe8", masked),
	}
}

// TestEngineSplitHeaders splits each header form at each of its bytes. The engine
// sees the split: the beginning of the frame comes in one piece with the end of the
// one before, which has arrived before the rest is sent.
func TestEngineSplitHeaders(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			marker := frame(0x89, "marker", s.masked)
			for i, f := range headerForms(s.masked) {
				if f[0]&0xf == opClose {
					break // nothing may follow it
				}
				if f[0]&0xf < 3 && f[0] != 0x82 && f[0] != 0x81 {
					continue // fragments, which are one message: below
				}
				for cut := 1; cut < min(len(f), maxHeader+2); cut++ {
					s.split(t, fmt.Sprintf("form %d at %d", i, cut), marker, f, cut)
				}
			}
			message := join(headerForms(s.masked)[2:7]...)
			for at := 0; at < len(message); { // a fragmented message, split in each of its headers
				_, h, size := parseHeader(message[at:])
				for cut := 1; cut < h+2 && at+cut < len(message); cut++ {
					s.split(t, fmt.Sprintf("message at %d", at+cut), marker, message, at+cut)
				}
				at += h + size
			}
			bye := headerForms(s.masked)[7]
			for i := range bye { // byte by byte
				s.from.Write(bye[i : i+1])
			}
			s.to.expect(string(bye))
		})
	})
}

// split sends f as two pieces, the first of them behind marker.
func (s side) split(t *testing.T, what string, marker, f []byte, cut int) {
	t.Helper()
	s.from.Write(join(marker, f[:cut]))
	s.to.expect(string(marker))
	s.from.Write(f[cut:])
	s.to.expect(string(f))
	if t.Failed() {
		t.Fatal(what)
	}
}

// parseHeader is the header of a whole frame: opcode byte, its length and the
// payload's.
func parseHeader(f []byte) (b0 byte, header, payload int) {
	header, payload = 2, int(f[1]&0x7f)
	switch payload {
	case 126:
		header, payload = 4, int(binary.BigEndian.Uint16(f[2:]))
	case 127:
		header, payload = 10, int(binary.BigEndian.Uint64(f[2:]))
	}
	if f[1]&0x80 != 0 {
		header += 4
	}
	return f[0], header, payload
}

// TestEngineEarly: what came with the handshake goes first, from either side and
// whatever its size.
func TestEngineEarly(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, size := range []int{0, 1, 125, 65535, bufferSize - 10, bufferSize, 200 << 10} {
			up, down := frame(0x82, text(size), true), frame(0x82, text(size), false)
			for _, n := range []int{1, 3, len(down) / 2, len(down)} { // whole, and ending in a header or in the payload
				cut := min(n, len(down))
				r := e.rig(t, Policy{}, up[:cut], down[:cut])
				r.client.send(string(up[cut:]))
				r.backend.send(string(down[cut:]))
				r.backend.expect(string(up))
				r.client.expect(string(down))
				r.client.Close()
				r.backend.Close()
				if s := r.summary(); s.MessagesIn != 1 || s.MessagesOut != 1 || s.BytesIn != int64(len(up)) || s.BytesOut != int64(len(down)) {
					t.Errorf("size %d, early %d: %+v", size, cut, s)
				}
			}
		}
	})
}

// TestEngineEarlyEnd: a side may have said all, good or bad, and be gone before the
// bridge begins.
func TestEngineEarlyEnd(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		bye := "\x03\xe9bye"
		r := e.rig(t, Policy{}, frame(0x88, bye, true), frame(0x88, bye, false))
		r.client.expect(string(frame(0x88, bye, false)))
		r.backend.expect(string(frame(0x88, bye, true)))
		r.client.Close()
		r.backend.Close()
		if s := r.summary(); s.Err != nil || !strings.HasSuffix(s.Close, " 1001") {
			t.Errorf("both closed: %+v", s)
		}
		good := frame(0x81, "ok", true)
		r = e.rig(t, Policy{}, join(good, frame(0x83, "x", true)), nil)
		r.backend.expect(string(good))
		r.expectClosed(1002, "reserved opcode")
		r.client.Close()
		r.backend.Close()
		if s := r.summary(); !errors.Is(s.Err, ErrProtocol) {
			t.Errorf("bad from the start: %+v", s)
		}
	})
}

// TestEngineHandshakeAndFrames: through the whole relay, frames in one segment with
// the handshake, either side.
func TestEngineHandshakeAndFrames(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, size := range []int{0, 5, 1000, 100 << 10} {
			up, down := join(frame(0xc1, text(size), true), frame(0x81, "2", true)), join(frame(0xc2, text(size), false), frame(0x81, "2", false))
			x := e.edge(t, backend(t, func(c *raw) {
				c.expect(upgradeAtBackend)
				c.send(upgradeAnswer + string(down))
				c.expect(string(up))
				c.rest()
			}))
			c := x.dial()
			c.send(upgradeRequest + string(up))
			c.expect(upgradeAtClient + string(down))
			c.CloseWrite()
			c.rest()
			c.Close()
			if s := x.summary(); s.Err != nil || s.MessagesIn != 2 || s.MessagesOut != 2 || s.BytesIn != int64(len(up)) || s.BytesOut != int64(len(down)) {
				t.Errorf("size %d: %+v", size, s)
			}
		}
	})
}

// TestEngineLengths: frames of nothing, and of more than any memory.
func TestEngineLengths(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			var empty [][]byte
			for range 3 {
				empty = append(empty, frame(0x82, "", s.masked), frame(0x01, "", s.masked), frame(0x89, "", s.masked),
					frame(0x00, "", s.masked), frame(0x80, "", s.masked))
			}
			s.from.Write(join(empty...))
			s.to.expect(string(join(empty...)))
			huge := frame(0x82, "", s.masked)
			huge[1] |= 127
			huge = join(huge[:2], []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, huge[2:], []byte("first of 2^63-1"))
			s.from.Write(huge)
			s.to.expect(string(huge))
			s.from.CloseWrite() // it never comes to its end
			s.to.expectEnd()
			s.to.Close()
			if got := r.summary(); got.MessagesIn+got.MessagesOut != 6 || got.Err != nil {
				t.Errorf("summary %+v", got)
			}
		})
	})
}

// TestEngineRSV: with permessage-deflate RSV1 may open a message, and nothing else
// (RFC 7692, section 6).
func TestEngineRSV(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{Deflate: true}, func(t *testing.T, r *rig, s side) {
			good := join(frame(0xc1, "a", s.masked), frame(0x42, "b", s.masked), frame(0x89, "p", s.masked), frame(0x80, "c", s.masked), frame(0x81, "d", s.masked))
			s.from.Write(join(good, frame(0xc0, "x", s.masked)))
			s.to.expect(string(good))
			r.expectClosed(1002, "reserved bit set")
		})
	})
}

// TestEngineCloseCodes: a Close passes as it is, even with a code that no endpoint
// may send or with half a code. RFC 6455, section 7.4, forbids endpoints to put
// 1005, 1006 and 1015 on the wire and leaves others undefined, but does not have
// the receiver fail: it is the last frame either way, so nobody can disagree about
// what follows. An edge that replaced the code would hide from the other end what
// its peer really said; the endpoint judges, and the log tells the code.
func TestEngineCloseCodes(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, payload := range []string{"", "\x03", "\x00\x00", "\x03\xe7", "\x03\xe8", "\x03\xec", "\x03\xed", "\x03\xee",
			"\x03\xf7", "\x07\xcf", "\x0b\xb8", "\x13\x87", "\x13\x88", "\xff\xff", "\x03\xe8" + text(123), "\x03\xe8\xff\xfe not UTF-8"} {
			for i := range 2 {
				r := e.rig(t, Policy{})
				s := r.sides()[i]
				f := frame(0x88, payload, s.masked)
				s.from.Write(f)
				s.to.expect(string(f))
				r.client.Close()
				r.backend.Close()
				code := closeNoStatus
				if len(payload) > 1 {
					code = int(payload[0])<<8 | int(payload[1])
				}
				if got := r.summary(); got.Close != fmt.Sprintf("%s %d", s.name, code) || got.Err != nil {
					t.Errorf("% x from the %s: %+v", payload, s.name, got)
				}
			}
		}
	})
}
