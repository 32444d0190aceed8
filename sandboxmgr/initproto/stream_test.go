package initproto

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"edge/abi"
)

// TestGolden2 fixes the bytes of version 2: what version 1 has, said with
// another number, and streams.
func TestGolden2(t *testing.T) {
	t.Parallel()
	checkBytes(t, func(w *Writer) {
		w.Head(TypeHello, Hello{Min: 1, Max: 2, Token: "t", Boot: "b", Init: "2"})
		w.Head(TypeWelcome, Welcome{Version: 2})
		w.Head(TypeCall, Call{Op: "execStream"})
		w.Body([]byte("{}"))
		w.Head(TypeResult, Result{})
	}, "\x00\x00\x00\x33\x01"+`{"min":1,"max":2,"token":"t","boot":"b","init":"2"}`+
		"\x00\x00\x00\x0d\x02"+`{"version":2}`+
		"\x00\x00\x00\x13\x03"+`{"op":"execStream"}`+"\x00\x00\x00\x02\x04{}"+"\x00\x00\x00\x00\x05"+
		"\x00\x00\x00\x02\x06{}")
	tests := []struct {
		name string
		typ  Type
		body string
		want string
	}{
		{"text", TypeText, `{"type":"end"}`, "\x00\x00\x00\x0e\x07" + `{"type":"end"}`},
		{"data", TypeData, "hi", "\x00\x00\x00\x02\x04hi"},
		{"end", TypeEnd, "", "\x00\x00\x00\x00\x05"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		if _, err := WriteFrame(&b, tt.typ, []byte(tt.body)); err != nil || b.String() != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, b.String(), err, tt.want)
		}
	}
	failed := Result{Error: abi.Errorf(abi.CodeTimeout, "late").WithStarted(abi.StartedYes).WithDetails(map[string]int{"a": 1})}
	checkBytes(t, func(w *Writer) { w.Head(TypeResult, failed) },
		"\x00\x00\x00\x60\x06"+`{"error":{"code":"TIMEOUT","message":"late","retryable":true,"started":"yes","details":{"a":1}}}`)
}

func TestWriteFrameBound(t *testing.T) {
	t.Parallel()
	if _, err := WriteFrame(io.Discard, TypeData, make([]byte, MaxFrame)); err != nil {
		t.Errorf("the largest frame was refused: %v", err)
	}
	if _, err := WriteFrame(io.Discard, TypeData, make([]byte, MaxFrame+1)); err == nil {
		t.Error("a frame beyond MaxFrame was written")
	}
}

func room(n int) []byte { return make([]byte, n) }

// TestFrameGoesOn reads frames from a connection whose time runs out after every
// byte: nothing is lost.
func TestFrameGoesOn(t *testing.T) {
	t.Parallel()
	var sent bytes.Buffer
	want := []struct {
		typ  Type
		body string
	}{{TypeText, `{"a":1}`}, {TypeData, strings.Repeat("x", 300)}, {TypeEnd, ""}, {TypeResult, "{}"}}
	for _, f := range want {
		if _, err := WriteFrame(&sent, f.typ, []byte(f.body)); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&impatient{r: iotest.OneByteReader(&sent)})
	for _, f := range want {
		stops := 0
		typ, body, err := r.Frame(room)
		for errors.Is(err, os.ErrDeadlineExceeded) {
			stops++
			typ, body, err = r.Frame(room)
		}
		if err != nil || typ != f.typ || string(body) != f.body || r.Partial() {
			t.Errorf("got type %d, %d bytes, %v; want type %d, %d bytes", typ, len(body), err, f.typ, len(f.body))
		}
		if stops < len(f.body) {
			t.Errorf("type %d: stopped %d times", f.typ, stops)
		}
	}
	if _, _, err := r.Frame(room); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if _, _, err := r.Frame(room); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// impatient fails every other read.
type impatient struct {
	r    io.Reader
	fail bool
}

func (i *impatient) Read(p []byte) (int, error) {
	if i.fail = !i.fail; i.fail {
		return 0, os.ErrDeadlineExceeded
	}
	return i.r.Read(p)
}

func TestFrameCut(t *testing.T) {
	t.Parallel()
	whole := "\x00\x00\x00\x02\x04hi"
	for n := 1; n < len(whole); n++ {
		if _, _, err := NewReader(strings.NewReader(whole[:n])).Frame(room); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// FuzzFrame reads foreign bytes as a stream, whole and a byte at a time: both
// must see the same frames, and none larger than a frame may be.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x0e\x07{\"type\":\"end\"}\x00\x00\x00\x02\x04hi\x00\x00\x00\x00\x05"))
	f.Add([]byte("\x00\x00\x00\x02\x06{}\x00\x01\x00\x01\x07"))
	f.Fuzz(func(t *testing.T, in []byte) {
		one, other := NewReader(bytes.NewReader(in)), NewReader(iotest.OneByteReader(bytes.NewReader(in)))
		for {
			t1, b1, err1 := one.Frame(room)
			t2, b2, err2 := other.Frame(room)
			if t1 != t2 || !bytes.Equal(b1, b2) || (err1 == nil) != (err2 == nil) {
				t.Fatalf("type %d, %q, %v and type %d, %q, %v", t1, b1, err1, t2, b2, err2)
			}
			if err1 != nil {
				return
			}
			if len(b1) > MaxFrame || t1 < TypeHello || t1 > TypeText {
				t.Fatalf("type %d of %d bytes", t1, len(b1))
			}
		}
	})
}
