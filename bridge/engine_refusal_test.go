package bridge

import (
	"errors"
	"testing"
)

// lengthForm is a header with the 64-bit length n and no payload.
func lengthForm(b0 byte, n uint64, masked bool) []byte {
	f := frame(b0, "", masked)
	f[1] |= 127
	return join(f[:2], []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, f[2:])
}

// refusals are frames that end a bridge. before is sent in front of the bad one
// and is good.
var refusals = []struct {
	name        string
	before, bad func(masked bool) []byte
	pol         Policy
	code        int
	reason      string
	is          error
	breach      Breach
}{
	{name: "wrong mask", bad: func(m bool) []byte { return frame(0x81, "x", !m) }, code: 1002},
	{name: "wrong mask in a control frame", bad: func(m bool) []byte { return frame(0x89, "", !m) }, code: 1002},
	{name: "opcode 3", bad: oneFrame(0x83, "x"), code: 1002, reason: "reserved opcode"},
	{name: "opcode 7", bad: oneFrame(0x87, ""), code: 1002, reason: "reserved opcode"},
	{name: "opcode 11", bad: oneFrame(0x8b, ""), code: 1002, reason: "reserved opcode"},
	{name: "opcode 15", bad: oneFrame(0x8f, "x"), code: 1002, reason: "reserved opcode"},
	{name: "RSV1", bad: oneFrame(0xc1, "x"), code: 1002, reason: "reserved bit set"},
	{name: "RSV2", bad: oneFrame(0xa1, "x"), code: 1002, reason: "reserved bit set"},
	{name: "RSV3", bad: oneFrame(0x91, "x"), code: 1002, reason: "reserved bit set"},
	{name: "RSV2 with deflate", bad: oneFrame(0xa1, "x"), pol: Policy{Deflate: true}, code: 1002, reason: "reserved bit set"},
	{name: "RSV1 on a ping with deflate", bad: oneFrame(0xc9, ""), pol: Policy{Deflate: true}, code: 1002, reason: "reserved bit set"},
	{name: "RSV1 on a close with deflate", bad: oneFrame(0xc8, "\x03\xe8"), pol: Policy{Deflate: true}, code: 1002, reason: "reserved bit set"},
	{name: "ping of 126", bad: oneFrame(0x89, text(126)), code: 1002, reason: "control frame too long"},
	{name: "pong of 65536", bad: oneFrame(0x8a, text(65536)), code: 1002, reason: "control frame too long"},
	{name: "close of 126", bad: oneFrame(0x88, "\x03\xe8"+text(124)), code: 1002, reason: "control frame too long"},
	{name: "fragmented ping", bad: oneFrame(0x09, ""), code: 1002, reason: "fragmented control frame"},
	{name: "fragmented close", bad: oneFrame(0x08, "\x03\xe8"), code: 1002, reason: "fragmented control frame"},
	{name: "continuation of nothing", bad: oneFrame(0x80, "x"), code: 1002, reason: "continuation of no message"},
	{name: "continuation after the end", before: fragments, bad: oneFrame(0x00, "x"), code: 1002, reason: "continuation of no message"},
	{name: "text in a text", before: oneFrame(0x01, "x"), bad: oneFrame(0x81, "x"), code: 1002, reason: "message inside a message"},
	{name: "2^63", bad: func(m bool) []byte { return lengthForm(0x82, 1<<63, m) }, code: 1002, reason: "frame length of 2^63 or more"},
	{name: "2^64-1", bad: func(m bool) []byte { return lengthForm(0x82, 1<<64-1, m) }, code: 1002, reason: "frame length of 2^63 or more"},
	{name: "message too big", bad: oneFrame(0x82, text(11)), pol: Policy{MaxMessageBytes: 10}, code: 1009, reason: "message too big", is: ErrPolicy, breach: BreachMessageBytes},
	{name: "message too big in fragments", before: oneFrame(0x02, text(6)), bad: oneFrame(0x80, text(5)), pol: Policy{MaxMessageBytes: 10},
		code: 1009, reason: "message too big", is: ErrPolicy, breach: BreachMessageBytes},
	{name: "2^63-1 too big", bad: func(m bool) []byte { return lengthForm(0x82, 1<<63-1, m) }, pol: Policy{MaxMessageBytes: 10},
		code: 1009, reason: "message too big", is: ErrPolicy, breach: BreachMessageBytes},
	{name: "too many bytes", bad: oneFrame(0x82, text(60)), pol: Policy{MaxBytes: 50}, code: 1008, reason: "too many bytes", is: ErrPolicy, breach: BreachBytes},
}

func oneFrame(b0 byte, payload string) func(masked bool) []byte {
	return func(masked bool) []byte { return frame(b0, payload, masked) }
}

func fragments(masked bool) []byte {
	return join(frame(0x01, "a", masked), frame(0x89, "p", masked), frame(0x80, "b", masked))
}

// TestEngineRefuses: what breaks the protocol or the policy goes no further, and
// both sides are told between two frames. The bad frame comes in one piece with the
// good ones before it, and apart, split behind its first byte.
func TestEngineRefuses(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, tc := range refusals {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				for _, apart := range []bool{false, true} {
					e.bothSides(t, tc.pol, func(t *testing.T, r *rig, s side) {
						good, bad := frame(0x81, "ok", s.masked), tc.bad(s.masked)
						if tc.before != nil {
							good = join(good, tc.before(s.masked))
						}
						if apart {
							s.from.Write(join(good, bad[:1]))
							s.to.expect(string(good))
							s.from.Write(bad[1:])
						} else {
							s.from.Write(join(good, bad))
							s.to.expect(string(good))
						}
						reason := tc.reason
						if reason == "" {
							reason = map[bool]string{true: "unmasked frame from a client", false: "masked frame from a server"}[s.masked]
						}
						r.expectClosed(tc.code, reason)
						r.client.Close()
						r.backend.Close()
						is := tc.is
						if is == nil {
							is = ErrProtocol
						}
						if got := r.summary(); !errors.Is(got.Err, is) || got.Close != edgeClosed(tc.code, reason) || got.Breach != tc.breach {
							t.Errorf("apart %v: summary %+v", apart, got)
						}
					})
				}
			})
		}
	})
}

// TestEngineRefusesBetweenFrames: when one side breaks the protocol while it is sent
// a frame, the frame comes to its end before it is told.
func TestEngineRefusesBetweenFrames(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			f := frame(0x82, text(1000), !s.masked)
			s.to.Write(f[:500])
			s.from.expect(string(f[:500]))
			s.from.Write(frame(0x83, "", s.masked))
			s.to.expectClose(s.masked, 1002, "reserved opcode")
			s.to.Write(f[500:])
			s.from.expect(string(f[500:]))
			s.from.expectClose(!s.masked, 1002, "reserved opcode")
			s.from.expectEnd()
		})
	})
}
