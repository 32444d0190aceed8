package initproto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"edge/abi"
)

// TestGolden fixes the bytes of version 1: an init that was built today must be
// understood by every later edge.
func TestGolden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		write func(*Writer)
		want  string
	}{
		{"hello", func(w *Writer) {
			w.Head(TypeHello, Hello{Min: 1, Max: 1, Token: "t", Boot: "b", Init: "1"})
		}, "\x00\x00\x00\x33\x01" + `{"min":1,"max":1,"token":"t","boot":"b","init":"1"}`},
		{"welcome", func(w *Writer) { w.Head(TypeWelcome, Welcome{Version: 1}) }, "\x00\x00\x00\x0d\x02" + `{"version":1}`},
		{"call", func(w *Writer) {
			w.Head(TypeCall, Call{Op: "ping", TimeoutMs: 1500})
			w.Body([]byte("{}"))
		}, "\x00\x00\x00\x1e\x03" + `{"op":"ping","timeoutMs":1500}` + "\x00\x00\x00\x02\x04{}" + "\x00\x00\x00\x00\x05"},
		{"result", func(w *Writer) {
			w.Head(TypeResult, Result{})
			w.Body(nil)
		}, "\x00\x00\x00\x02\x06{}" + "\x00\x00\x00\x00\x05"},
		{"error", func(w *Writer) {
			w.Head(TypeResult, Result{Error: abi.Errorf(abi.CodeNotFound, "no <x>")})
		}, "\x00\x00\x00\x52\x06" + `{"error":{"code":"NOT_FOUND","message":"no <x>","retryable":false,"started":"no"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkBytes(t, tt.write, tt.want)
		})
	}
}

func checkBytes(t *testing.T, write func(*Writer), want string) {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	write(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", hex.Dump(b.Bytes()), hex.Dump([]byte(want)))
	}
}

func TestBodyRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, MaxFrame - 1, MaxFrame, MaxFrame + 1, 3*MaxFrame + 7, MaxBody} {
		body := bytes.Repeat([]byte("x"), size)
		var b bytes.Buffer
		w := NewWriter(&b)
		w.Head(TypeCall, Call{Op: "writeFile"})
		w.Body(body)
		if err := w.Flush(); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		b.WriteString("raw")
		r := NewReader(&b)
		var c Call
		if err := r.Head(TypeCall, MaxFrame, &c); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		peak := 0
		got, err := r.Body(MaxBody, func(n int) error { peak = n; return nil })
		if err != nil || !bytes.Equal(got, body) || peak != size {
			t.Errorf("%d bytes: got %d, announced %d, %v", size, len(got), peak, err)
		}
		if b.String() != "raw" {
			t.Errorf("%d bytes: what followed became %q", size, b.String())
		}
	}
}

func TestWriterBounds(t *testing.T) {
	t.Parallel()
	w := NewWriter(io.Discard)
	w.Body(make([]byte, MaxBody+1))
	if w.Flush() == nil {
		t.Error("a body beyond MaxBody was written")
	}
	w = NewWriter(io.Discard)
	w.Head(TypeCall, Call{Op: strings.Repeat("x", MaxFrame)})
	if w.Flush() == nil {
		t.Error("a head beyond MaxFrame was written")
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	data := "\x00\x00\x00\x01\x04x"
	tests := []struct {
		name, in string
		want     error
	}{
		{"nothing", "", io.ErrUnexpectedEOF},
		{"half header", "\x00\x00", io.ErrUnexpectedEOF},
		{"half frame", "\x00\x00\x00\x04\x04abc", io.ErrUnexpectedEOF},
		{"no end", data, io.ErrUnexpectedEOF},
		{"huge length", "\xff\xff\xff\xff\x04", ErrProtocol},
		{"one too long", "\x00\x01\x00\x01\x04", ErrProtocol},
		{"type 0", "\x00\x00\x00\x00\x00", ErrProtocol},
		{"text inside", "\x00\x00\x00\x02\x07{}", ErrProtocol},
		{"empty text", "\x00\x00\x00\x00\x07", ErrProtocol},
		{"type 8", "\x00\x00\x00\x01\x08x", ErrProtocol},
		{"end with bytes", "\x00\x00\x00\x01\x05x", ErrProtocol},
		{"empty data", "\x00\x00\x00\x00\x04", ErrProtocol},
		{"call inside", data + "\x00\x00\x00\x02\x03{}", ErrProtocol},
		{"too long together", strings.Repeat(data, 5), ErrProtocol},
		{"http", "GET / HTTP/1.1\r\n\r\n", ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewReader(strings.NewReader(tt.in)).Body(4, nil); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for name, in := range map[string]string{
		"wrong type": "\x00\x00\x00\x02\x02{}", "not JSON": "\x00\x00\x00\x01\x01{",
		"beyond the limit": "\x00\x00\x00\x09\x01{\"min\":1}", "wrong JSON type": "\x00\x00\x00\x02\x01[]",
	} {
		var h Hello
		if err := NewReader(strings.NewReader(in)).Head(TypeHello, 8, &h); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: got %v, want a violation", name, err)
		}
	}
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		min, max, want int
	}{{1, 1, 1}, {1, 2, 2}, {2, 2, 2}, {1, 9, 2}, {2, 9, 2}, {3, 9, 0}, {0, 0, 0}, {-5, 1, 1}, {5, 1, 0}}
	for _, tt := range tests {
		got, err := Negotiate(Hello{Min: tt.min, Max: tt.max})
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("%d to %d: got %d, %v; want %d", tt.min, tt.max, got, err, tt.want)
		}
	}
}

// FuzzReader reads foreign bytes as an answer: it must end, allocate in
// proportion to what arrived, and accept only what Writer could have written.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x06{}\x00\x00\x00\x02\x04hi\x00\x00\x00\x00\x05"))
	f.Add([]byte("\x00\x00\x00\x0c\x06{\"error\":{}}\x00\x00\x00\x00\x05"))
	f.Add([]byte("\xff\xff\xff\xff\x06"))
	f.Fuzz(func(t *testing.T, in []byte) {
		rest := bytes.NewReader(in)
		r := NewReader(rest)
		var res Result
		if r.Head(TypeResult, MaxFrame, &res) != nil {
			return
		}
		body, err := r.Body(1<<20, nil)
		if err != nil {
			return
		}
		if cap(body) > 4*len(in)+MaxFrame {
			t.Errorf("%d bytes of input took %d bytes", len(in), cap(body))
		}
		var out bytes.Buffer
		w := NewWriter(&out)
		w.Body(body)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		again, err := NewReader(&out).Body(1<<20, nil)
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("body did not survive: %v", err)
		}
	})
}

// FuzzHello reads what an unknown peer says first.
func FuzzHello(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x09\x01{\"min\":1}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var h Hello
		if NewReader(bytes.NewReader(in)).Head(TypeHello, MaxHello, &h) != nil {
			return
		}
		if v, err := Negotiate(h); err == nil && (v < MinVersion || v > Version) {
			t.Errorf("negotiated version %d", v)
		}
	})
}
