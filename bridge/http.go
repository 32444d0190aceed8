package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fasthttp"
)

// HTTP sends head to the upstream and its answer to rc. It returns when the
// answer's head is known; head and body follow when fasthttp has the response
// written, each piece as it comes. Until then the caller may still mark the
// response "Connection: close", and nothing else. ctx bounds the call, not what
// follows it, and is heeded within 50 ms, as ResponseTimeout is.
//
// On error no final answer was written to rc and done is not called. What comes
// from the upstream is an *UpstreamError. A request whose body was not read to its
// end leaves the rest on the connection, so the response to it is marked
// "Connection: close"; an answer written in its stead must be too. On nil done is
// called once, when the last byte is on its way or the exchange broke. An answer
// that breaks off breaks the client's connection.
//
// The client sees the backend's status line and fields as they were, in order,
// spelling and repetitions, less what belongs to the hop; trailers pass both ways,
// except those that no trailer may be (see trailing). Interim answers (RFC 9110,
// section 15.2) are sent on at once to a client of HTTP/1.1: at most 16 of them,
// of at most 64 KiB together, and 100 only where the server has not said it
// itself. They go past fasthttp's writer: whoever serves pipelined requests must
// see that an answer of its own is on its way before the next request is served.
func (r *Relay) HTTP(ctx context.Context, rc *fasthttp.RequestCtx, head *Head, up Upstream, own Owner, pol Policy, done func(Summary)) error {
	x, err := r.begin(rc, own, false, done)
	if err != nil {
		return err
	}
	x.maxBytes = pol.MaxBytes
	x.limits.start(pol, x.breach, nil)
	if err := x.http(ctx, rc, head, up); err != nil {
		x.fail()
		return err
	}
	return nil
}

// CloseUpstream closes the idle connections of keys that begin with keyPrefix.
func (r *Relay) CloseUpstream(keyPrefix string) { r.pool.closePrefix(keyPrefix) }

// http carries the exchange to the answer's head and starts its way back.
func (x *exchange) http(ctx context.Context, rc *fasthttp.RequestCtx, head *Head, up Upstream) error {
	var req request
	if err := x.prepare(&req, head); err != nil {
		return x.refuse(rc, nil, err)
	}
	defer x.relay.buffers.put(req.buf)
	for {
		c := x.relay.pool.take(up.Key)
		if c == nil {
			conn, err := x.dial(ctx, up)
			if err != nil {
				return x.refuse(rc, nil, err)
			}
			c = &upstreamConn{Conn: conn, key: up.Key}
			c.src.init(conn, &x.relay.buffers)
		} else if err := x.reuse(c, up); err != nil {
			return x.refuse(rc, nil, &UpstreamError{Stage: StageDial, Err: err})
		}
		tr := &trip{x: x, rc: rc, head: head, c: c}
		a, err := tr.run(ctx, &req)
		if err == nil {
			a.edit(head.Answer)
			return x.respond(rc, tr, a)
		}
		c.src.drop()
		c.Close()
		tr.w.stop()
		if tr.again(err) && x.because(nil) == nil {
			continue
		}
		return x.refuse(rc, tr.u, err)
	}
}

// reuse makes a connection of the pool the exchange's, or gives it back.
func (x *exchange) reuse(c *upstreamConn, up Upstream) error {
	if up.Admit != nil {
		if err := up.Admit(); err != nil {
			x.relay.pool.put(c)
			return err
		}
	}
	return x.hold(c)
}

// refuse ends a failed exchange on the client's side.
func (x *exchange) refuse(rc *fasthttp.RequestCtx, u *upload, err error) error {
	u.stop()
	if u.unread() || u == nil && rc.Request.IsBodyStream() {
		rc.Response.SetConnectionClose()
	}
	return err
}

// request is what is written first: the head, and a small body behind it.
type request struct {
	buf   *buffer
	bytes []byte
	body  int  // bytes of the body among them
	rest  bool // more of it follows
}

func (x *exchange) prepare(q *request, head *Head) error {
	q.buf, q.rest = x.relay.buffers.get(), head.Body != nil && head.ContentLength != 0
	var err error
	if q.bytes, err = appendRequest(q.buf[:0], head, false); err != nil {
		x.relay.buffers.put(q.buf)
		return err
	}
	if q.rest && head.ContentLength > 0 && head.ContentLength <= smallBody {
		n := len(q.bytes)
		q.bytes = append(q.bytes, make([]byte, head.ContentLength)...)
		if _, err := io.ReadFull(head.Body, q.bytes[n:]); err != nil {
			x.relay.buffers.put(q.buf)
			return fmt.Errorf("%w: request body: %w", ErrClientGone, err)
		}
		q.body, q.rest = int(head.ContentLength), false
	}
	return nil
}

// trip is one try of a request on one connection.
type trip struct {
	x    *exchange
	rc   *fasthttp.RequestCtx
	head *Head
	c    *upstreamConn
	rest bool    // some of the body is sent by an upload
	u    *upload // that; set under the lock of waits
	waiting
	body answerBody // of the answer, once there is one

	upgrade bool      // a 101 is an answer
	until   time.Time // when a handshake has taken too long; zero for others
	wrote   int       // bytes of the request
	heard   bool      // a byte of an answer came
}

// again says whether a failed try may be made once more: on a connection that
// was idle and may have been closed meanwhile, before any answer, and only if
// the backend cannot have seen the request or may see it twice.
func (t *trip) again(err error) bool {
	if !t.c.reused || t.heard || isTimeout(err) || t.u != nil {
		return false
	}
	return t.wrote == 0 || t.head.repeatable()
}

// repeatable says that a backend may see the request twice (RFC 9110, section
// 9.2.2), and that there is all of it to send twice.
func (h *Head) repeatable() bool {
	switch h.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return h.Body == nil
	}
	return false
}

// run sends the request and reads the head of its answer. An answer other than
// 101 leaves the trip among the waits, for its body to take out.
func (t *trip) run(ctx context.Context, q *request) (*answer, error) {
	w := &t.x.relay.waits
	t.rest = q.rest
	t.ctx, t.timeout = ctx, orDefault(t.x.relay.ResponseTimeout, DefaultResponseTimeout)
	if !t.until.IsZero() {
		t.timeout = time.Until(t.until)
	}
	w.add(t)
	a, err := t.ask(q)
	w.mu.Lock()
	t.answered = true
	woken := t.woken
	w.mu.Unlock()
	if err == nil && ctx.Err() != nil {
		err = t.failed(StageHead, ctx.Err())
	}
	if err != nil || a.status == 101 {
		w.remove(t)
	}
	if woken {
		t.c.SetDeadline(time.Time{})
	}
	return a, err
}

// ask is run without its bounds in time.
func (t *trip) ask(q *request) (*answer, error) {
	n, err := t.c.Write(q.bytes)
	t.wrote = n
	if err != nil {
		return nil, &UpstreamError{Stage: StageSend, Started: n > 0, Err: t.x.because(cause(t.ctx, err))}
	}
	t.x.count(&t.x.in, q.body)
	if q.rest {
		t.startUpload()
	}
	room := maxHead
	for range maxInterim + 1 {
		if err := t.c.src.wait(); err != nil {
			return nil, t.failed(StageHead, err)
		}
		t.heard = true
		a, size, err := t.readHead()
		switch {
		case err != nil:
			return nil, t.failed(StageAnswer, err)
		case a.status >= 200 || a.status == 101 && t.upgrade:
			return a, nil
		case a.status == 101:
			return nil, t.failed(StageAnswer, fmt.Errorf("%w: 101 that nobody asked for", errAnswer))
		}
		if room -= size; room < 0 {
			return nil, t.failed(StageAnswer, fmt.Errorf("%w: interim answers of more than %d bytes", errAnswer, maxHead))
		}
		if err := t.inform(a); err != nil {
			return nil, t.failed(StageAnswer, err)
		}
		t.x.relay.waits.restart(t)
	}
	return nil, t.failed(StageAnswer, fmt.Errorf("%w: more than %d interim answers", errAnswer, maxInterim))
}

func (t *trip) startUpload() {
	u := t.x.startUpload(t.rc, t.head, t.c)
	t.x.relay.waits.mu.Lock()
	defer t.x.relay.waits.mu.Unlock()
	t.u = u
}

func (t *trip) failed(stage Stage, err error) error {
	return &UpstreamError{Stage: stage, Started: true, Err: t.x.because(cause(t.ctx, err))}
}

// cause is ctx's reason when it is what made err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// readHead reads one head, of which something has come.
func (t *trip) readHead() (*answer, int, error) {
	const start = "HTTP/1."
	if u := t.c.src.unread(); !bytes.HasPrefix(u[:min(len(u), len(start))], []byte(start)[:min(len(u), len(start))]) {
		return nil, 0, fmt.Errorf("%w: not HTTP/1", errAnswer)
	}
	if headEnd(t.c.src.unread(), 0) == 0 {
		t.x.relay.waits.restart(t)
	}
	p, err := t.c.src.head()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %w", errAnswer, io.ErrUnexpectedEOF)
		}
		return nil, 0, err
	}
	a, err := parseAnswer(p, t.head.Method)
	if err != nil {
		return nil, 0, err
	}
	t.c.src.skip(len(p))
	return a, len(p), nil
}

// inform sends an interim answer on. A handshake's client is spared them, as most
// know nothing of such; one that was told to go on by the server is not told twice.
func (t *trip) inform(a *answer) error {
	h := &t.rc.Request.Header
	if t.upgrade || !h.IsHTTP11() || a.status == 100 && t.rc.Request.MayContinue() {
		return nil
	}
	if err := t.x.streaming(true); err != nil {
		return err
	}
	a.edit(t.head.Answer)
	_, err := t.x.client.Write(a.appendAnswer(nil, true))
	if err != nil { // perhaps in the middle: nothing can follow it
		t.x.gone()
		t.x.client.Close()
		return fmt.Errorf("%w: %w", ErrClientGone, err)
	}
	return t.x.streaming(false)
}

// streaming notes whether the client is being written to, so that a cut ends that
// too. It fails when the exchange has been cut.
func (x *exchange) streaming(on bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stream = on
	return x.cause
}
