package bridge

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/valyala/fasthttp"
)

// answerBody is a backend's answer on its way to the client. It gives out what the
// source has read, piece by piece and at once, so that an answer takes one pooled
// buffer while there is data and none while there is not.
type answerBody struct {
	t *trip
	x *exchange
	c *upstreamConn
	a *answer

	left    int64 // of the body or of the chunk
	started bool  // a chunk has been read: its CRLF stands before the next size
	closed  bool
	err     error // io.EOF after the end, else why it broke
}

var _ fasthttp.BodyWriterTo = (*answerBody)(nil)

func (b *answerBody) init(t *trip, a *answer) {
	b.t, b.x, b.c, b.a = t, t.x, t.c, a
	switch {
	case a.length >= 0:
		b.left = a.length
	case a.length == lengthClose:
		b.left = math.MaxInt64
	}
}

// copy writes the body to w, without the framing that it came in.
func (b *answerBody) copy(w io.Writer) error {
	for {
		p, err := b.next()
		if len(p) > 0 {
			_, werr := w.Write(p)
			b.consume(len(p))
			if werr != nil {
				return b.fail(werr)
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return err
		default:
			if cw, ok := w.(*chunkWriter); ok {
				return cw.end(nil)
			}
			return nil
		}
	}
}

// next returns what of the body can be had, waiting for the first byte of it. It
// stays unread until consume.
func (b *answerBody) next() ([]byte, error) {
	if b.err == nil && b.left == 0 {
		if b.a.length != lengthChunked {
			b.err = io.EOF
		} else if err := b.nextChunk(); err != nil {
			b.fail(err)
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	if err := b.c.src.wait(); err != nil {
		if errors.Is(err, io.EOF) && b.a.length == lengthClose {
			b.err = io.EOF
			return nil, io.EOF
		}
		return nil, b.fail(err)
	}
	p := b.c.src.unread()
	room, err := b.room()
	if err != nil {
		return nil, err
	}
	return p[:min(int64(len(p)), b.left, room)], nil
}

// room is how many bytes the policy still allows. Where there are more, it fails.
func (b *answerBody) room() (int64, error) {
	if b.x.maxBytes <= 0 {
		return math.MaxInt64, nil
	}
	room := b.x.maxBytes - b.x.in.Load() - b.x.out.Load()
	if room <= 0 {
		b.c.src.idle() // what was allowed is the client's
		b.x.breach(BreachBytes)
		return 0, b.fail(BreachBytes.err())
	}
	return room, nil
}

func (b *answerBody) consume(n int) {
	if n > 0 {
		b.left -= int64(n)
		b.c.src.skip(n)
		b.x.count(&b.x.out, n)
	}
}

// fail notes why the body broke.
func (b *answerBody) fail(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if b.err == nil || errors.Is(b.err, io.EOF) {
		b.err = b.x.because(err)
	}
	return b.err
}

// Close ends the exchange: the connection goes back to the pool if the answer
// was read to its end and the request sent to its own.
func (b *answerBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.x.relay.waits.remove(b.t)
	b.t.w.stop()
	err := b.err
	switch {
	case err == nil:
		err = b.x.because(fmt.Errorf("%w: answer was not taken", ErrClientGone))
	case errors.Is(err, io.EOF):
		err = nil
	}
	// From here on nobody else closes the connection.
	if cut := b.x.hold(nil); err == nil && cut == nil && b.a.keep && b.t.u.ended() {
		b.x.relay.pool.put(b.c)
	} else {
		b.c.src.drop()
		b.c.Close()
		b.t.u.stop()
	}
	b.x.finish(err)
	return nil
}
