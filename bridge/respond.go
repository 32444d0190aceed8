package bridge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/valyala/fasthttp"
)

// respond leaves the answer to fasthttp as a response of no length, in the place
// of whose body all of the real one is written (see WriteTo). fasthttp's own way
// would put some fields first and others last, and cost a second parser and a
// second copy; and it could not answer a client that still sends its request.
func (x *exchange) respond(rc *fasthttp.RequestCtx, t *trip, a *answer) error {
	x.status = a.status
	a.plain = !rc.Request.Header.IsHTTP11()
	if t.u.unread() || a.plain && a.length < lengthNone || hasToken(t.head.Headers, "Connection", "close") {
		rc.Response.SetConnectionClose()
	}
	if rc.IsHead() { // to which fasthttp would ask for no body
		rc.Request.Header.SetMethod(fasthttp.MethodGet)
	}
	x.mu.Lock()
	x.stream, x.events = true, eventStream(a)
	x.mu.Unlock()
	t.body.init(t, a)
	rc.Response.SetStatusCode(fasthttp.StatusOK)
	rc.Response.SetBodyStream(&t.body, 0)
	return nil
}

func eventStream(a *answer) bool {
	const events = "text/event-stream"
	ct, _ := get(a.headers, "Content-Type")
	return len(ct) >= len(events) && strings.EqualFold(ct[:len(events)], events)
}

// errWriter is why an answer could not be written: fasthttp's writer did not hold
// what it must.
var errWriter = errors.New("bridge: an answer of the server's own was not sent before this one")

// SupportsBodyWriteTo lets fasthttp use WriteTo.
func (b *answerBody) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the answer, head and body, and ends the exchange. It takes the
// head that fasthttp has made, and not sent, out of w first.
func (b *answerBody) WriteTo(w io.Writer) (int64, error) {
	err := b.send(w)
	switch {
	case err == nil && b.t.u.unread():
		b.Close()
		Linger(unwrap(b.x.client), LingerWait)
	case err != nil && b.a.plain: // the client must not take this for the end
		if c, ok := unwrap(b.x.client).(interface{ SetLinger(sec int) error }); ok {
			c.SetLinger(0)
		}
		fallthrough
	default:
		b.Close()
	}
	return 0, err
}

// Read fails: nobody but WriteTo knows how to send an answer.
func (b *answerBody) Read([]byte) (int, error) { return 0, b.fail(errWriter) }

func (b *answerBody) send(w io.Writer) error {
	resp := &b.t.rc.Response
	bw, ok := w.(*bufio.Writer)
	if !ok || bw.Buffered() != len(resp.Header.Header()) {
		return b.fail(errWriter)
	}
	bw.Reset(b.x.client)
	if err := b.x.because(nil); err != nil {
		return b.fail(err)
	}
	b.head(bw, resp.ConnectionClose())
	b.c.src.idle = func() { bw.Flush() } // its error comes again with the next write
	defer func() { b.c.src.idle = nil }()
	var err error
	switch {
	case b.a.length == lengthNone:
		b.err = io.EOF
	case b.a.length == lengthChunked && !b.a.plain:
		err = b.passChunks(bw)
	case b.a.length == lengthClose && !b.a.plain:
		err = b.copy(&chunkWriter{w: bw})
	case b.large():
		err = b.copyLarge(bw)
	default:
		err = b.copy(bw)
	}
	if err != nil {
		bw.Flush() // what came before the break is the client's
		return err
	}
	if err := bw.Flush(); err != nil {
		return b.fail(err)
	}
	return nil
}

// head writes the answer's head.
func (b *answerBody) head(bw *bufio.Writer, closing bool) {
	keep := !closing
	p := b.a.appendAnswer(bw.AvailableBuffer(), keep)
	if keep && !b.t.rc.Request.Header.IsHTTP11() { // a client of HTTP/1.0 wants to be told
		p = append(p[:len(p)-len("\r\n")], "Connection: keep-alive\r\n\r\n"...)
	}
	bw.Write(p)
}

// chunkWriter frames what is written as chunks.
type chunkWriter struct{ w *bufio.Writer }

// Write makes one chunk of p.
func (c *chunkWriter) Write(p []byte) (int, error) {
	c.w.Write(appendChunkSize(c.w.AvailableBuffer(), int64(len(p))))
	c.w.Write(p)
	_, err := c.w.WriteString("\r\n")
	return len(p), err
}

// end makes the last chunk, with its trailers.
func (c *chunkWriter) end(trailers []Header) error {
	p := append(c.w.AvailableBuffer(), "0\r\n"...)
	for _, h := range trailers {
		p = appendField(p, h.Name, h.Value)
	}
	if _, err := c.w.Write(append(p, "\r\n"...)); err != nil {
		return fmt.Errorf("last chunk: %w", err)
	}
	return nil
}
