package bridge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"testing"
	"time"
)

// scripted is a connection from which the given pieces are read, each with one
// Read, and then its end.
type scripted struct {
	net.Conn
	pieces [][]byte
}

func (c *scripted) Read(p []byte) (int, error) {
	for len(c.pieces) > 0 && len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces[0] = c.pieces[0][n:]
	return n, nil
}

func (c *scripted) Close() error                     { return nil }
func (c *scripted) SetReadDeadline(time.Time) error  { return nil }
func (c *scripted) SetWriteDeadline(time.Time) error { return nil }

// passed sends a chunked body on and returns what came out.
func passed(pieces [][]byte, maxBytes int64) (out []byte, counted int64, err error) {
	r := &Relay{}
	c := &upstreamConn{Conn: &scripted{pieces: pieces}}
	c.src.init(c.Conn, &r.buffers)
	defer c.src.drop()
	x := &exchange{relay: r, client: &scripted{}, maxBytes: maxBytes}
	tr := &trip{x: x, c: c}
	tr.body.init(tr, &answer{length: lengthChunked, chunked: true})
	var sink bytes.Buffer
	bw := bufio.NewWriter(&sink)
	c.src.idle = func() { bw.Flush() }
	err = tr.body.passChunks(bw)
	bw.Flush()
	return sink.Bytes(), x.out.Load(), err
}

func TestPassChunks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, out string }{
		{"as they are", "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"},
		{"zeros", "0005\r\nhello\r\n000\r\n\r\n", "0005\r\nhello\r\n000\r\n\r\n"},
		{"extensions", "5;a=b\r\nhello\r\n5 ; c\r\nworld\r\n0;d\r\n\r\n", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"},
		{"bare line feeds", "5\nhello\n5\nworld\n0\n\n", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"},
		{"trailers", "1\r\nx\r\n0\r\nA: 1\r\nHost: evil\r\nB:2\r\n\r\n", "1\r\nx\r\n0\r\nA: 1\r\nB: 2\r\n\r\n"},
		{"nothing", "0\r\n\r\n", "0\r\n\r\n"},
		{"many digits", strings.Repeat("0", 30) + "1\r\nx\r\n0\r\n\r\n", "1\r\nx\r\n0\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for cut := range len(tc.in) { // in two pieces, however they fall
				out, _, err := passed([][]byte{[]byte(tc.in[:cut]), []byte(tc.in[cut:])}, 0)
				got, want := unchunk(out), unchunk([]byte(tc.out))
				if err != nil || got != want {
					t.Fatalf("cut at %d: %q, want %q, %v", cut, got, want, err)
				}
			}
			if out, _, err := passed([][]byte{[]byte(tc.in)}, 0); err != nil || string(out) != tc.out {
				t.Fatalf("%q, %v", out, err)
			}
		})
	}
	out, n, err := passed([][]byte{[]byte("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")}, 7)
	if !errors.Is(err, ErrPolicy) || n != 7 || string(out) != "5\r\nhello\r\n5\r\nwo" {
		t.Errorf("with room for 7: %d, %q, %v", n, out, err)
	}
}

// unchunk is a body and what follows its last chunk.
func unchunk(b []byte) string {
	br := bufio.NewReader(bytes.NewReader(b))
	body, err := io.ReadAll(httputil.NewChunkedReader(br))
	if err != nil {
		return "error: " + err.Error()
	}
	rest, _ := io.ReadAll(br)
	return string(body) + "|" + string(rest)
}

// FuzzPassChunks: what is sent on is a body to net/http's reader if, and only if,
// the relay took it for one, and the same.
func FuzzPassChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"), uint8(3))
	f.Add([]byte("5;x=y\r\nhello\r\n0\r\na: b\r\n\r\n"), uint8(1))
	f.Add([]byte("1\nx\n0\n\n"), uint8(2))
	f.Add([]byte("5\r\nhelloX\r\n0\r\n\r\n"), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		var pieces [][]byte
		for p := in; len(p) > 0; {
			n := min(int(step)+1, len(p))
			pieces, p = append(pieces, append([]byte(nil), p[:n]...)), p[n:]
		}
		out, n, err := passed(pieces, 0)
		br := bufio.NewReader(bytes.NewReader(out))
		body, rerr := io.ReadAll(httputil.NewChunkedReader(br))
		if err != nil {
			if rerr == nil && bytes.HasSuffix(out, []byte("\r\n\r\n")) && br.Buffered() == 0 {
				t.Fatalf("%q: %v, but what was sent looks whole: %q", in, err, out)
			}
			return
		}
		if rerr != nil || int64(len(body)) != n {
			t.Fatalf("%q: sent %q, of which a reader gets %d bytes of %d, %v", in, out, len(body), n, rerr)
		}
		if want, werr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in))); werr == nil && !bytes.Equal(want, body) {
			t.Fatalf("%q: %q, want %q", in, body, want)
		}
	})
}
