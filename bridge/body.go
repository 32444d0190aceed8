package bridge

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/valyala/fasthttp"
)

// maxChunkLine bounds a chunk's size line with its extensions, which are dropped.
const maxChunkLine = 4 << 10

// answerBody is the body of a backend's answer on its way to the client. It gives
// out what the source has read, piece by piece and at once, so that an answer
// takes one pooled buffer while there is data and none while there is not.
type answerBody struct {
	x *exchange
	c *upstreamConn
	a *answer
	u *upload
	w *watch

	left    int64 // of the body or of the chunk
	started bool  // a chunk has been read: its CRLF stands before the next size
	closed  bool
	err     error // io.EOF after the end, else why it broke
	ended   func(trailers []Header)
}

var _ fasthttp.BodyWriterTo = (*answerBody)(nil)

func (x *exchange) newBody(c *upstreamConn, a *answer, u *upload, w *watch) *answerBody {
	b := &answerBody{x: x, c: c, a: a, u: u, w: w}
	switch {
	case a.length >= 0:
		b.left = a.length
	case a.length == lengthClose:
		b.left = math.MaxInt64
	case a.length == lengthNone:
		b.err = io.EOF
	}
	return b
}

// SupportsBodyWriteTo lets fasthttp use WriteTo.
func (b *answerBody) SupportsBodyWriteTo() bool { return true }

// WriteTo sends the body to w and flushes w whenever the backend pauses.
func (b *answerBody) WriteTo(w io.Writer) (int64, error) {
	var total int64
	if f, ok := w.(interface{ Flush() error }); ok {
		b.c.src.idle = func() { f.Flush() } // its error comes again with the next write
		defer func() { b.c.src.idle = nil }()
	}
	for {
		p, err := b.next()
		if len(p) > 0 {
			n, werr := w.Write(p)
			total += int64(n)
			b.consume(len(p))
			if werr != nil {
				return total, b.fail(werr)
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Read is WriteTo for a consumer that pulls.
func (b *answerBody) Read(p []byte) (int, error) {
	q, err := b.next()
	n := copy(p, q)
	b.consume(n)
	return n, err
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
	if err := b.wait(); err != nil {
		if errors.Is(err, io.EOF) && b.a.length == lengthClose {
			b.err = io.EOF
			return nil, io.EOF
		}
		return nil, b.fail(err)
	}
	p := b.c.src.unread()
	n := min(int64(len(p)), b.left)
	if max := b.x.maxBytes; max > 0 {
		room := max - b.x.in.Load() - b.x.out.Load()
		if room <= 0 {
			b.x.breach(BreachBytes)
			return nil, b.fail(BreachBytes.err())
		}
		n = min(n, room)
	}
	return p[:n], nil
}

func (b *answerBody) consume(n int) {
	if n > 0 {
		b.left -= int64(n)
		b.c.src.skip(n)
		b.x.count(&b.x.out, n)
	}
}

// wait waits for data, after a while watching the client too.
func (b *answerBody) wait() error {
	src := &b.c.src
	if len(src.unread()) > 0 {
		return nil
	}
	if b.w != nil || b.u.unread() {
		return src.wait()
	}
	b.c.SetReadDeadline(time.Now().Add(watchAfter))
	err := src.wait()
	b.c.SetReadDeadline(time.Time{})
	if !isTimeout(err) {
		return err
	}
	b.w = startWatch(b.x.client, b.x.gone)
	return src.wait()
}

// nextChunk reads up to the next chunk's data (RFC 9112, section 7.1); after the
// last one b.err is io.EOF and the trailers were handed on.
func (b *answerBody) nextChunk() error {
	src := &b.c.src
	for {
		if err := b.wait(); err != nil {
			return err
		}
		line, size, err := src.line(maxChunkLine)
		if err != nil {
			return err
		}
		if b.started { // the CRLF behind the data
			if len(line) > 0 {
				return fmt.Errorf("%w: chunk is longer than its size", errAnswer)
			}
			b.started = false
			src.skip(size)
			continue
		}
		n, err := chunkSize(line)
		if err != nil {
			return err
		}
		src.skip(size)
		if n > 0 {
			b.left, b.started = n, true
			return nil
		}
		return b.trailers()
	}
}

func (b *answerBody) trailers() error {
	var fields []Header
	for left := maxHead; ; {
		line, size, err := b.c.src.line(left)
		if err != nil {
			return err
		}
		if left -= size; len(line) == 0 {
			b.c.src.skip(size)
			break
		}
		h, err := parseField(line)
		if err != nil {
			return fmt.Errorf("%w: trailer: %w", errAnswer, err)
		}
		b.c.src.skip(size)
		if trailing(h.Name) {
			fields = append(fields, h)
		}
	}
	if b.ended != nil && len(fields) > 0 {
		b.ended(fields)
	}
	b.err = io.EOF
	return nil
}

// chunkSize reads the size line of a chunk and ignores its extensions.
func chunkSize(line []byte) (int64, error) {
	var n int64
	i := 0
	for ; i < len(line); i++ {
		d := hexDigit(line[i])
		if d < 0 {
			break
		}
		if n > math.MaxInt64>>4 {
			return 0, fmt.Errorf("%w: chunk size", errAnswer)
		}
		n = n<<4 | int64(d)
	}
	rest := trimOWS(line[i:])
	if i == 0 || len(rest) > 0 && rest[0] != ';' || !validValue(rest) {
		return 0, fmt.Errorf("%w: chunk size line", errAnswer)
	}
	return n, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
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
	b.settle((*upload).stop)
	return nil
}

// settle is Close with a way to end what the client is still sending.
func (b *answerBody) settle(end func(*upload)) {
	if b.closed {
		return
	}
	b.closed = true
	b.w.stop()
	err := b.err
	switch {
	case err == nil:
		err = b.x.because(fmt.Errorf("%w: answer was not taken", ErrClientGone))
	case errors.Is(err, io.EOF):
		err = nil
	}
	// From here on nobody else closes the connection.
	if cut := b.x.hold(nil); err == nil && cut == nil && b.a.keep && b.u.ended() {
		b.x.relay.pool.put(b.c)
	} else {
		b.c.src.drop()
		b.c.Close()
		if b.u != nil {
			end(b.u)
		}
	}
	b.x.finish(err)
}
