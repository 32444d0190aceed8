package initproto

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// ErrProtocol is wrapped by every error that says that the peer broke the
// protocol, as against a connection that broke.
var ErrProtocol = errors.New("protocol violation")

const headerSize = 5

// Reader reads frames. It reads exactly the bytes of the frames it was asked
// for, so that what follows (a tunnel's bytes) is left in r; give it a
// bufio.Reader where that does not matter.
type Reader struct {
	r    io.Reader
	head [headerSize]byte

	// What Frame has of a frame that has come in part.
	got     int // bytes of head
	payload []byte
	filled  int // bytes of payload
}

// NewReader returns a Reader of r. It closes nothing.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// next reads a frame's header and checks all of it before anything is
// allocated. io.EOF means that the connection ended between two frames.
func (r *Reader) next() (Type, int, error) {
	if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
		return 0, 0, err
	}
	return r.header()
}

// header checks the header that was read.
func (r *Reader) header() (Type, int, error) {
	n, t := binary.BigEndian.Uint32(r.head[:4]), Type(r.head[4])
	switch {
	case t < TypeHello || t > TypeText:
		return 0, 0, fmt.Errorf("%w: unknown frame type %d", ErrProtocol, t)
	case n > MaxFrame:
		return 0, 0, fmt.Errorf("%w: frame of %d bytes", ErrProtocol, n)
	case t == TypeEnd && n != 0:
		return 0, 0, fmt.Errorf("%w: end frame of %d bytes", ErrProtocol, n)
	case (t == TypeData || t == TypeText) && n == 0:
		return 0, 0, fmt.Errorf("%w: empty frame of type %d", ErrProtocol, t)
	}
	return t, int(n), nil
}

// Frame reads one frame of a stream, whatever its type, into what room returns
// for its length. io.EOF means that the connection ended between two frames.
//
// When reading fails in the middle of a frame, for want of time for one, what
// had come is kept, and Frame goes on with it when it is called again.
func (r *Reader) Frame(room func(n int) []byte) (Type, []byte, error) {
	for r.got < headerSize {
		n, err := r.r.Read(r.head[r.got:])
		r.got += n
		if err != nil && r.got < headerSize {
			return 0, nil, r.cut(err)
		}
	}
	t, n, err := r.header()
	if err != nil {
		return 0, nil, err
	}
	if r.payload == nil && n > 0 {
		r.payload, r.filled = room(n), 0
	}
	for r.filled < n {
		m, err := r.r.Read(r.payload[r.filled:n])
		r.filled += m
		if err != nil && r.filled < n {
			return 0, nil, r.cut(err)
		}
	}
	b := r.payload[:n:n]
	r.got, r.payload, r.filled = 0, nil, 0
	return t, b, nil
}

// Partial tells whether Frame has a part of a frame.
func (r *Reader) Partial() bool { return r.got > 0 }

// cut is the error of a connection that ended inside a frame.
func (r *Reader) cut(err error) error {
	if err == io.EOF && r.Partial() {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Head reads one frame, which must be of type t and of at most limit bytes, and
// decodes its JSON into v. Fields that v does not have are skipped: they are of
// a newer minor form.
func (r *Reader) Head(t Type, limit int, v any) error {
	got, n, err := r.next()
	if err != nil {
		return err
	}
	if got != t {
		return fmt.Errorf("%w: frame type %d where %d is due", ErrProtocol, got, t)
	}
	if n > limit {
		return fmt.Errorf("%w: head of %d bytes", ErrProtocol, n)
	}
	b := make([]byte, n)
	if err := r.fill(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: head: %v", ErrProtocol, err)
	}
	return nil
}

// Body reads Data frames up to the End and returns their bytes, nil for none.
// More than limit bytes are a violation. Memory grows with what has arrived,
// never with what was announced. If grown is not nil it is called with the size
// that the body is about to reach, before memory is taken for it; its error
// ends the reading.
func (r *Reader) Body(limit int, grown func(size int) error) ([]byte, error) {
	var body []byte
	for {
		t, n, err := r.next()
		switch {
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case t == TypeEnd:
			return body, nil
		case t != TypeData:
			return nil, fmt.Errorf("%w: frame type %d inside a body", ErrProtocol, t)
		case len(body)+n > limit:
			return nil, fmt.Errorf("%w: body of more than %d bytes", ErrProtocol, limit)
		}
		at := len(body)
		if grown != nil {
			if err := grown(at + n); err != nil {
				return nil, err
			}
		}
		body = slices.Grow(body, n)[:at+n]
		if err := r.fill(body[at:]); err != nil {
			return nil, err
		}
	}
}

// fill reads the rest of a frame, in which the connection must not end.
func (r *Reader) fill(b []byte) error {
	if _, err := io.ReadFull(r.r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// WriteFrame writes one frame of a stream: in one system call, without a copy of
// b, when w is a connection of package net. b is at most MaxFrame bytes. It
// returns how many bytes were written, the header's included.
func WriteFrame(w io.Writer, t Type, b []byte) (int64, error) {
	if len(b) > MaxFrame {
		return 0, fmt.Errorf("%d bytes do not fit a frame", len(b))
	}
	head := binary.BigEndian.AppendUint32(make([]byte, 0, headerSize), uint32(len(b)))
	bs := net.Buffers{append(head, byte(t)), b}
	return bs.WriteTo(w)
}

// Writer gathers frames and writes them in pieces of about two frames' size; a
// small call or answer is one write. Nothing is sent for certain before Flush.
// The first error stays.
type Writer struct {
	w   io.Writer
	buf []byte
	err error
}

// NewWriter returns a Writer to w. It closes nothing.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Head adds one frame with the JSON of v.
func (w *Writer) Head(t Type, v any) {
	b, err := EncodeBody(v)
	if err == nil && len(b) > MaxFrame {
		err = fmt.Errorf("head of %d bytes does not fit a frame", len(b))
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.frame(t, b)
}

// Body adds b as Data frames, and the End. More than MaxBody bytes fail.
func (w *Writer) Body(b []byte) {
	if len(b) > MaxBody {
		w.fail(fmt.Errorf("body of %d bytes is more than %d", len(b), MaxBody))
		return
	}
	w.Data(b)
	w.End()
}

// Data adds a piece of a body, for one that is made while it is sent; End ends
// it. Together the pieces must not be more than MaxBody bytes.
func (w *Writer) Data(piece []byte) {
	for chunk := range slices.Chunk(piece, MaxFrame) {
		w.frame(TypeData, chunk)
	}
}

// End adds the End of a body.
func (w *Writer) End() { w.frame(TypeEnd, nil) }

// Flush writes what was gathered and returns the first error there was.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
	if cap(w.buf) > MaxFrame {
		w.buf = nil
	}
	return w.err
}

func (w *Writer) frame(t Type, b []byte) {
	if w.err != nil {
		return
	}
	if len(w.buf) > 0 && len(w.buf)+headerSize+len(b) > 2*MaxFrame {
		if _, err := w.w.Write(w.buf); err != nil {
			w.fail(err)
		}
		w.buf = w.buf[:0]
	}
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(len(b)))
	w.buf = append(w.buf, byte(t))
	w.buf = append(w.buf, b...)
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
