package bridge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// frame builds one frame as a client (masked) or a server sends it.
func frame(b0 byte, payload string, masked bool) []byte {
	var f []byte
	m := byte(0)
	if masked {
		m = bitMask
	}
	switch n := len(payload); {
	case n < 126:
		f = []byte{b0, m | byte(n)}
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16([]byte{b0, m | 126}, uint16(n))
	default:
		f = binary.BigEndian.AppendUint64([]byte{b0, m | 127}, uint64(n))
	}
	if !masked {
		return append(f, payload...)
	}
	key := []byte{1, 2, 3, 4}
	f = append(f, key...)
	for i := range len(payload) {
		f = append(f, payload[i]^key[i&3])
	}
	return f
}

func join(fs ...[]byte) []byte { return bytes.Join(fs, nil) }

// text is n bytes.
func text(n int) string { return string(bytes.Repeat([]byte("x"), n)) }

var scannerCases = []struct {
	name     string
	client   bool
	deflate  bool
	max      int64
	in       []byte
	good     int // bytes before the error
	code     int // 0: no error
	messages int64
	closed   bool
	between  bool
}{
	{name: "nothing", between: true},
	{name: "text", in: frame(0x81, "hi", false), good: 4, messages: 1, between: true},
	{name: "empty", in: frame(0x82, "", false), good: 2, messages: 1, between: true},
	{name: "masked", client: true, in: frame(0x81, "hi", true), good: 8, messages: 1, between: true},
	{name: "126", in: frame(0x82, text(126), false), good: 130, messages: 1, between: true},
	{name: "65536", in: frame(0x82, text(65536), false), good: 65546, messages: 1, between: true},
	{name: "half a frame", in: frame(0x82, text(20), false)[:10], good: 10},
	{name: "half a header", in: frame(0x82, text(300), false)[:3], good: 0, between: true},
	{name: "longer than needed", in: []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}, good: 11, messages: 1, between: true},
	{name: "fragments", in: join(frame(0x01, "a", false), frame(0x89, "ping", false), frame(0x00, "b", false), frame(0x80, "c", false)), good: 15, messages: 1, between: true},
	{name: "close", in: frame(0x88, "\x03\xe8", false), good: 4, closed: true, between: true},
	{name: "close of nothing", in: frame(0x88, "", false), good: 2, closed: true, between: true},
	{name: "deflated", deflate: true, in: join(frame(0x41, "a", false), frame(0x80, "b", false)), good: 6, messages: 1, between: true},
	{name: "unmasked from client", client: true, in: frame(0x81, "hi", false), code: 1002, between: true},
	{name: "masked from server", in: frame(0x81, "hi", true), code: 1002, between: true},
	{name: "after a good one", in: join(frame(0x81, "hi", false), frame(0x83, "", false)), good: 4, code: 1002, messages: 1, between: true},
	{name: "opcode 3", in: []byte{0x83, 0}, code: 1002, between: true},
	{name: "opcode 11", in: []byte{0x8b, 0}, code: 1002, between: true},
	{name: "opcode 15", in: []byte{0x8f, 0}, code: 1002, between: true},
	{name: "rsv1 without deflate", in: frame(0xc1, "a", false), code: 1002, between: true},
	{name: "rsv2", deflate: true, in: frame(0xa1, "a", false), code: 1002, between: true},
	{name: "rsv3", deflate: true, in: frame(0x91, "a", false), code: 1002, between: true},
	{name: "rsv1 on a continuation", deflate: true, in: join(frame(0x41, "a", false), frame(0xc0, "b", false)), good: 3, code: 1002, between: true},
	{name: "rsv1 on a ping", deflate: true, in: frame(0xc9, "", false), code: 1002, between: true},
	{name: "long ping", in: frame(0x89, text(126), false), code: 1002, between: true},
	{name: "fragmented ping", in: frame(0x09, "", false), code: 1002, between: true},
	{name: "fragmented close", in: frame(0x08, "", false), code: 1002, between: true},
	{name: "continuation first", in: frame(0x80, "a", false), code: 1002, between: true},
	{name: "continuation after the end", in: join(frame(0x81, "a", false), frame(0x00, "", false)), good: 3, messages: 1, code: 1002, between: true},
	{name: "text in a text", in: join(frame(0x01, "a", false), frame(0x81, "b", false)), good: 3, code: 1002, between: true},
	{name: "2^63", in: []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, code: 1002, between: true},
	{name: "2^63-1", in: []byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, good: 10},
	{name: "at the bound", max: 3, in: join(frame(0x01, "ab", false), frame(0x89, "ping", false), frame(0x80, "c", false), frame(0x82, "abc", false)), good: 18, messages: 2, between: true},
	{name: "over the bound", max: 3, in: frame(0x82, "abcd", false), code: 1009, between: true},
	{name: "over it in fragments", max: 3, in: join(frame(0x01, "ab", false), frame(0x80, "cd", false)), good: 4, code: 1009, between: true},
	{name: "2^63-1 over the bound", max: 3, in: join(frame(0x01, "ab", false), []byte{0x80, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), good: 4, code: 1009, between: true},
}

// feed scans in as pieces that end at cuts, as a flow does: what is not taken is
// shown again.
func feed(s *scanner, in []byte, cuts ...int) (good int, err error) {
	var held []byte
	at := 0
	for _, cut := range append(cuts, len(in)) {
		p := append(held, in[at:cut]...)
		at = cut
		n, err := s.scan(p, false)
		good += n
		if err != nil {
			return good, err
		}
		held = append([]byte(nil), p[n:]...)
		if len(held) >= maxHeader {
			return good, errors.New("a whole header was held back")
		}
	}
	return good, nil
}

func TestScanner(t *testing.T) {
	t.Parallel()
	for _, tc := range scannerCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			step := max(1, len(tc.in)/500) // every byte, but not of 64 KiB payloads
			for cut := 0; cut <= len(tc.in); cut += step {
				s := newScanner(tc.client, tc.deflate, tc.max)
				good, err := feed(&s, tc.in, cut)
				var fe *frameError
				if errors.As(err, &fe) != (tc.code != 0) || fe != nil && fe.code != tc.code {
					t.Fatalf("cut %d: error %v, want code %d", cut, err, tc.code)
				}
				if tc.code != 0 && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrPolicy) {
					t.Fatalf("%v is no sentinel", err)
				}
				if good != tc.good || s.messages != tc.messages || s.closed() != tc.closed || s.between() != tc.between {
					t.Fatalf("cut %d: good %d messages %d closed %v between %v, want %d %d %v %v",
						cut, good, s.messages, s.closed(), s.between(), tc.good, tc.messages, tc.closed, tc.between)
				}
			}
		})
	}
}

func TestScannerByteByByte(t *testing.T) {
	t.Parallel()
	in := join(frame(0x01, text(130), true), frame(0x8a, "pong", true), frame(0x80, text(70000), true), frame(0x88, "\x0b\xb8why", true))
	cuts := make([]int, len(in))
	for i := range cuts {
		cuts[i] = i
	}
	s := newScanner(true, false, 0)
	good, err := feed(&s, in, cuts...)
	if err != nil || good != len(in) || s.messages != 1 || !s.closed() || !s.between() {
		t.Errorf("good %d of %d, %v, %+v", good, len(in), err, s)
	}
}

func TestScannerStopsBetweenFrames(t *testing.T) {
	t.Parallel()
	in := join(frame(0x81, "one", false), frame(0x82, "", false), frame(0x81, "three", false))
	s := newScanner(false, false, 0)
	for _, want := range []int{5, 2, 7} {
		n, err := s.scan(in, true)
		if n != want || err != nil || !s.between() {
			t.Fatalf("scan: %d %v, want %d", n, err, want)
		}
		in = in[n:]
	}
}

func TestCloseFrame(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, reason, want string
		mask               []byte
	}{
		{name: "plain", reason: "bye", want: "bye"},
		{name: "masked", reason: "bye", want: "bye", mask: []byte{9, 8, 7, 6}},
		{name: "too long", reason: text(200), want: text(123)},
		{name: "cut at a rune", reason: text(122) + "é", want: text(122)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := appendClose(nil, 1012, tc.reason, tc.mask)
			s := newScanner(tc.mask != nil, false, 0)
			if n, err := s.scan(f, false); n != len(f) || err != nil || !s.closed() || s.code != 1012 {
				t.Errorf("scan: %d of %d, %v, code %d", n, len(f), err, s.code)
			}
			h := 2 + len(tc.mask)
			got := append([]byte(nil), f[h+2:]...)
			for i := range got {
				if tc.mask != nil {
					got[i] ^= tc.mask[(i+2)&3]
				}
			}
			if string(got) != tc.want {
				t.Errorf("reason %q, want %q", got, tc.want)
			}
		})
	}
}

// FuzzScanner compares one piece with two and checks what scan promises.
func FuzzScanner(f *testing.F) {
	for _, tc := range scannerCases {
		if len(tc.in) < 1000 {
			f.Add(tc.in, uint16(len(tc.in)/2), tc.client, tc.deflate, uint16(tc.max))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16, client, deflate bool, max uint16) {
		whole, split := newScanner(client, deflate, int64(max)), newScanner(client, deflate, int64(max))
		good, err := feed(&whole, in)
		good2, err2 := feed(&split, in, min(int(cut), len(in)))
		if good != good2 || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("whole: %d %v; split at %d: %d %v", good, err, cut, good2, err2)
		}
		if whole != split {
			t.Fatalf("whole %+v, split %+v", whole, split)
		}
		if good > len(in) || err == nil && len(in)-good >= maxHeader || err != nil && !whole.between() {
			t.Fatalf("good %d of %d, %v, between %v", good, len(in), err, whole.between())
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	for _, size := range []int{16, 64, 1024} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			f := frame(0x82, text(size), true)
			buf := bytes.Repeat(f, bufferSize/len(f))
			s := newScanner(true, false, 0)
			frames := len(buf) / len(f)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += frames { // an operation is a frame
				if n, err := s.scan(buf, false); n != len(buf) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// pieces cuts in at random places, for tests that send it so.
func pieces(r *rand.Rand, in []byte) [][]byte {
	var ps [][]byte
	for len(in) > 0 {
		n := 1 + r.IntN(len(in))
		ps, in = append(ps, in[:n]), in[n:]
	}
	return ps
}
