package main

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestAppendFrame has the examples of RFC 6455, section 5.7.
func TestAppendFrame(t *testing.T) {
	t.Parallel()
	key := &[4]byte{0x37, 0xfa, 0x21, 0x3d}
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"unmasked text":   {appendFrame(nil, fin|opText, nil, []byte("Hello")), "810548656c6c6f"},
		"masked text":     {appendFrame(nil, fin|opText, key, []byte("Hello")), "818537fa213d7f9f4d5158"},
		"fragment":        {appendFrame(nil, opText, nil, []byte("Hel")), "010348656c"},
		"ping":            {appendFrame(nil, fin|opPing, nil, []byte("Hello")), "890548656c6c6f"},
		"256 bytes":       {appendFrame(nil, fin|opBinary, nil, make([]byte, 256))[:4], "827e0100"},
		"64 KiB":          {appendFrame(nil, fin|opBinary, nil, make([]byte, 1<<16))[:10], "827f0000000000010000"},
		"126 is extended": {appendFrame(nil, fin|opBinary, nil, make([]byte, 126))[:4], "827e007e"},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestParseHeader(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		for _, key := range []*[4]byte{nil, {1, 2, 3, 4}} {
			frame := appendFrame(nil, fin|opBinary, key, pattern(size))
			h, ok := parseHeader(frame)
			if !ok || h.first != fin|opBinary || h.masked != (key != nil) || h.length != int64(size) || h.size+size != len(frame) {
				t.Errorf("%d bytes: %+v, %t", size, h, ok)
			}
			for n := range h.size {
				if _, ok := parseHeader(frame[:n]); ok {
					t.Errorf("%d bytes: %d of %d bytes make a head", size, n, h.size)
				}
			}
		}
	}
}

// echoed turns in, read in pieces of the given sizes, into the answer.
func echoed(e *echoStream, in []byte, pieces func() int) []byte {
	var out []byte
	for len(in) > 0 {
		n := min(max(1, pieces()), len(in))
		buf := make([]byte, headroom+n)
		copy(buf[headroom:], in[:n])
		in = in[n:]
		for pos, to := headroom, headroom+n; pos < to; {
			start, end, next := e.turn(buf, pos, to)
			out, pos = append(out, buf[start:end]...), next
		}
	}
	return out
}

func TestEchoStream(t *testing.T) {
	t.Parallel()
	key := &[4]byte{0xde, 0xad, 0xbe, 0xef}
	var in, want []byte
	add := func(first, answer byte, payload []byte) {
		in = appendFrame(in, first, key, payload)
		want = appendFrame(want, answer, nil, payload)
	}
	for _, size := range []int{0, 1, 7, 125, 126, 127, 1000, 65535, 65536, 200_000} {
		add(fin|opText, fin|opText, pattern(size))
		add(fin|opPing, fin|opPong, []byte("ping"))
		in = appendFrame(in, fin|opPong, key, []byte("unasked"))
	}
	add(opBinary, opBinary, pattern(300))
	add(fin|opContinuation, fin|opContinuation, pattern(70_000))
	add(fin|opClose, fin|opClose, []byte{0x0F, 0xA1})
	ignored := appendFrame(bytes.Clone(in), fin|opText, key, []byte("after the close"))
	for name, pieces := range map[string]func() int{
		"all at once": func() int { return 1 << 30 }, "bytes": func() int { return 1 }, "sevens": func() int { return 7 },
		"reads": func() int { return readSizeOfTest }, "thousands": func() int { return 1009 },
	} {
		var e echoStream
		if got := echoed(&e, ignored, pieces); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came back of %d, the same: %t", name, len(got), len(want), bytes.Equal(got, want))
		}
		if !e.closed || e.bad {
			t.Errorf("%s: closed %t, bad %t", name, e.closed, e.bad)
		}
	}
}

// readSizeOfTest is what a reader of a socket might get.
const readSizeOfTest = 64 << 10

func TestEchoStreamRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string][]byte{
		"an unmasked frame": appendFrame(nil, fin|opText, nil, []byte("x")),
		"a negative length": {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		"a long ping":       appendFrame(nil, fin|opPing, new([4]byte), make([]byte, 126)),
	} {
		var e echoStream
		if got := echoed(&e, in, func() int { return 3 }); len(got) > 0 || !e.bad {
			t.Errorf("%s: answered % x, bad %t", name, got, e.bad)
		}
	}
}

func TestMessageReader(t *testing.T) {
	t.Parallel()
	one := appendFrame(nil, fin|opBinary, nil, pattern(1000))
	cut := append(appendFrame(nil, opBinary, nil, pattern(400)), appendFrame(nil, fin|opContinuation, nil, pattern(600))...)
	stream := bytes.Repeat(append(bytes.Clone(one), cut...), 5)
	for _, piece := range []int{1, 3, 100, 1004, 1 << 20} {
		var r messageReader
		messages := 0
		for rest := stream; len(rest) > 0; {
			n := min(piece, len(rest))
			got, err := r.feed(rest[:n], 1000)
			if err != nil {
				t.Fatalf("pieces of %d: %v", piece, err)
			}
			messages += got
			rest = rest[n:]
		}
		if messages != 10 {
			t.Errorf("pieces of %d: %d messages, want 10", piece, messages)
		}
	}
	for name, bad := range map[string][]byte{
		"another length": appendFrame(nil, fin|opBinary, nil, pattern(999)), "a close": appendFrame(nil, fin|opClose, nil, nil),
		"a masked frame": appendFrame(nil, fin|opBinary, new([4]byte), pattern(1000)),
	} {
		if _, err := new(messageReader).feed(bad, 1000); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

func FuzzEchoStream(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, fin|opText, &[4]byte{1, 2, 3, 4}, []byte("Hello")), fin|opClose, new([4]byte), nil), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		var whole, pieces echoStream
		want := echoed(&whole, in, func() int { return 1 << 30 })
		if got := echoed(&pieces, in, func() int { return int(piece) }); !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d: % x, at once % x", piece, got, want)
		}
	})
}
