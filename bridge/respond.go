package bridge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// respond starts the answer's way to the client. A short one that has come
// whole is copied; others are streamed by fasthttp; one that comes before the
// client has sent its request takes the connection with it, as does one that an
// HTTP/1.0 client can only be given up to the connection's end.
func (x *exchange) respond(rc *fasthttp.RequestCtx, t *trip, a *answer) error {
	x.status = a.status
	a.plain = a.length < lengthNone && !rc.Request.Header.IsHTTP11()
	if t.u.unread() || a.plain {
		x.respondAlone(rc, t, a)
		return nil
	}
	if err := loadHead(&rc.Response.Header, a); err != nil {
		t.w.stop()
		t.c.src.drop()
		t.c.Close()
		return x.refuse(rc, t.u, &UpstreamError{Stage: StageAnswer, Started: true, Err: err})
	}
	if hasToken(t.head.Headers, "Connection", "close") { // fasthttp knows it only where it stands alone
		rc.Response.SetConnectionClose()
	}
	b := x.newBody(t.c, a, t.u, t.w)
	u := t.c.src.unread()
	if a.length == lengthNone || a.length >= 0 && int64(len(u)) >= a.length && x.fits(a.length) {
		if n := max(a.length, 0); n > 0 {
			rc.Response.SetBody(u[:n])
			b.consume(int(n))
		} else if a.length == 0 {
			rc.Response.ResetBody()
		}
		b.err = io.EOF
		b.Close()
		return nil
	}
	x.mu.Lock()
	x.stream, x.events = true, eventStream(a)
	x.mu.Unlock()
	b.ended = func(trailers []Header) {
		for _, h := range trailers {
			addTrailer(&rc.Response.Header, h)
		}
	}
	rc.Response.ImmediateHeaderFlush = true
	rc.Response.SetBodyStream(b, int(max(a.length, -1)))
	return nil
}

// fits says whether n more bytes keep to the policy.
func (x *exchange) fits(n int64) bool {
	return x.maxBytes <= 0 || x.in.Load()+x.out.Load()+n <= x.maxBytes
}

// addTrailer adds a field behind the body, which may have been announced.
func addTrailer(h *fasthttp.ResponseHeader, f Header) {
	for _, name := range h.PeekTrailerKeys() {
		if string(name) == f.Name {
			h.Add(f.Name, f.Value)
			return
		}
	}
	if h.AddTrailer(f.Name) == nil {
		h.Add(f.Name, f.Value)
	}
}

func eventStream(a *answer) bool {
	ct, _ := get(a.headers, "Content-Type")
	return strings.HasPrefix(strings.ToLower(ct), "text/event-stream")
}

// loadHead puts the answer's head into fasthttp's. Its own parser is the only way
// in for some fields: Add ignores Date and makes a second Content-Type the only
// one.
func loadHead(h *fasthttp.ResponseHeader, a *answer) error {
	h.DisableNormalizing()
	h.SetNoDefaultContentType(true)
	p := a.appendAnswer(nil, true)
	br := bufio.NewReaderSize(bytes.NewReader(p), len(p))
	if err := h.Read(br); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	if a.stated < 0 && a.length == lengthNone { // fasthttp takes it for a body up to the end
		h.ResetConnectionClose()
		h.Del("Transfer-Encoding")
	}
	if a.length == lengthChunked {
		for _, f := range a.headers {
			if strings.EqualFold(f.Name, "Trailer") {
				h.AddTrailer(f.Value)
			}
		}
	}
	return nil
}

// respondAlone sends an answer that is the last on its connection, which is taken
// from fasthttp: while the client still sends its request, fasthttp could neither
// send the answer to its end nor close without a reset.
func (x *exchange) respondAlone(rc *fasthttp.RequestCtx, t *trip, a *answer) {
	b := x.newBody(t.c, a, t.u, t.w)
	rc.Response.SetStatusCode(a.status)
	rc.Response.SetConnectionClose()
	x.mu.Lock()
	x.stream, x.events = true, eventStream(a)
	x.mu.Unlock()
	x.hijack(rc, func(c, _ net.Conn) {
		defer c.Close()
		b.send(x.client, c)
	}, func() {
		b.fail(ErrClientGone)
		b.Close()
	})
}

// send writes the whole answer to a hijacked connection and ends the exchange. It
// writes as fasthttp would, through the connection that the host gave it, whose
// rules for a client that does not read go on; c is the socket below.
func (b *answerBody) send(client, c net.Conn) {
	w := bufio.NewWriter(client)
	w.Write(b.a.appendAnswer(nil, false))
	if b.a.length < lengthNone && !b.a.plain {
		cw := &chunkWriter{w: w}
		b.ended = func(trailers []Header) { cw.trailers = trailers }
		if _, err := b.WriteTo(cw); err == nil {
			cw.end()
		}
	} else {
		b.WriteTo(w)
	}
	if err := w.Flush(); err != nil {
		b.fail(err)
	}
	if errors.Is(b.err, io.EOF) {
		closeWrite(c)
		b.settle((*upload).linger)
		return
	}
	if t, ok := c.(interface{ SetLinger(sec int) error }); ok {
		t.SetLinger(0) // the client must not take this for the end
	}
	c.Close()
	b.settle((*upload).stop)
}

// chunkWriter frames what is written as chunks.
type chunkWriter struct {
	w        *bufio.Writer
	trailers []Header
}

// Write makes one chunk of p.
func (c *chunkWriter) Write(p []byte) (int, error) {
	var size [headroom]byte
	c.w.Write(append(strconv.AppendInt(size[:0], int64(len(p)), 16), "\r\n"...))
	c.w.Write(p)
	_, err := c.w.WriteString("\r\n")
	return len(p), err
}

// Flush sends what is buffered.
func (c *chunkWriter) Flush() error { return c.w.Flush() }

func (c *chunkWriter) end() {
	end := []byte("0\r\n")
	for _, h := range c.trailers {
		end = appendField(end, h.Name, h.Value)
	}
	c.w.Write(append(end, "\r\n"...))
}
