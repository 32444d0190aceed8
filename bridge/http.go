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
// answer's head is known; the body follows while fasthttp writes the response,
// each piece as it comes. ctx bounds the call, not what follows it.
//
// On error nothing was written to rc and done is not called. What comes from the
// upstream is an *UpstreamError. A request whose body was not read to its end
// leaves the rest on the connection, so the response to it is marked "Connection:
// close"; an answer written in its stead must be too. On nil done is called once,
// when the last byte is on its way or the exchange broke; it may be before HTTP
// returns. An answer that breaks off breaks the client's connection.
//
// The client sees the backend's fields with their spelling, order and
// repetitions, but fasthttp puts Server, Content-Type, Content-Encoding and
// Content-Length first and Set-Cookie last. 1xx answers are dropped. Trailers
// pass both ways, except those that fasthttp's AddTrailer forbids and those that
// no trailer may be (see trailing).
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
	req, err := x.prepare(head)
	if err != nil {
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
		} else if err := x.hold(c); err != nil {
			return x.refuse(rc, nil, &UpstreamError{Stage: StageDial, Err: err})
		}
		tr := &trip{x: x, rc: rc, head: head, c: c}
		a, err := tr.run(ctx, req)
		if err == nil {
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
	body  int // bytes of the body among them
	rest  bool
}

func (x *exchange) prepare(head *Head) (*request, error) {
	q := &request{buf: x.relay.buffers.get(), rest: head.Body != nil && head.ContentLength != 0}
	var err error
	if q.bytes, err = appendRequest(q.buf[:0], head, false); err != nil {
		x.relay.buffers.put(q.buf)
		return nil, err
	}
	if q.rest && head.ContentLength > 0 && head.ContentLength <= smallBody {
		n := len(q.bytes)
		q.bytes = append(q.bytes, make([]byte, head.ContentLength)...)
		if _, err := io.ReadFull(head.Body, q.bytes[n:]); err != nil {
			x.relay.buffers.put(q.buf)
			return nil, fmt.Errorf("%w: request body: %w", ErrClientGone, err)
		}
		q.body, q.rest = int(head.ContentLength), false
	}
	return q, nil
}

// trip is one try of a request on one connection.
type trip struct {
	x    *exchange
	rc   *fasthttp.RequestCtx
	head *Head
	c    *upstreamConn
	u    *upload
	w    *watch

	upgrade  bool // a 101 is an answer
	wrote    int  // bytes of the request
	answered bool // a byte of an answer came
}

// again says whether a failed try may be made once more: on a connection that
// was idle and may have been closed meanwhile, before any answer, and only if
// the backend cannot have seen the request or may see it twice.
func (t *trip) again(err error) bool {
	if !t.c.reused || t.answered || isTimeout(err) || t.u != nil {
		return false
	}
	return t.wrote == 0 || t.head.Body == nil && idempotent(t.head.Method)
}

// idempotent is RFC 9110, section 9.2.2.
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// run sends the request and reads the head of its answer.
func (t *trip) run(ctx context.Context, q *request) (*answer, error) {
	unhook := context.AfterFunc(ctx, func() { t.c.SetDeadline(past) })
	defer unhook()
	n, err := t.c.Write(q.bytes)
	t.wrote = n
	if err != nil {
		return nil, &UpstreamError{Stage: StageSend, Started: n > 0, Err: t.x.because(cause(ctx, err))}
	}
	t.x.count(&t.x.in, q.body)
	if q.rest {
		t.u = t.x.startUpload(t.rc, t.head, t.c)
	}
	for range maxInterim {
		if err := t.await(ctx); err != nil {
			return nil, t.failed(ctx, StageHead, err)
		}
		a, err := t.readHead(ctx)
		if err != nil {
			return nil, t.failed(ctx, StageAnswer, err)
		}
		if a.status >= 200 || a.status == 101 && t.upgrade {
			if !unhook() { // ctx has ended and its deadline may have come down on us
				return nil, t.failed(ctx, StageHead, ctx.Err())
			}
			t.c.SetReadDeadline(time.Time{})
			return a, nil
		}
		if a.status == 101 {
			return nil, t.failed(ctx, StageAnswer, fmt.Errorf("%w: 101 that nobody asked for", errAnswer))
		}
	}
	return nil, t.failed(ctx, StageAnswer, fmt.Errorf("%w: more than %d interim answers", errAnswer, maxInterim))
}

func (t *trip) failed(ctx context.Context, stage Stage, err error) error {
	return &UpstreamError{Stage: stage, Started: true, Err: t.x.because(cause(ctx, err))}
}

// cause is ctx's reason when it is what made err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// await waits for the first byte of an answer, for ResponseTimeout from the last
// progress of the upload. After a short while it watches the client too.
func (t *trip) await(ctx context.Context) error {
	timeout := orDefault(t.x.relay.ResponseTimeout, DefaultResponseTimeout)
	began := time.Now()
	wait := min(watchAfter, timeout)
	for {
		t.c.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil { // its deadline may just have been put off
			return ctx.Err()
		}
		err := t.c.src.wait()
		if err == nil {
			t.answered = true
			return nil
		}
		if !isTimeout(err) || ctx.Err() != nil {
			return err
		}
		if t.u != nil {
			if p := time.Unix(0, t.u.progress.Load()); p.After(began) {
				began = p
			}
		}
		left := timeout - time.Since(began)
		if left <= 0 {
			return err
		}
		wait = min(left, time.Second)
		if t.w == nil && t.u.ended() {
			t.w = startWatch(t.x.client, t.x.gone)
		}
		if t.w != nil {
			wait = left
		}
	}
}

// readHead reads one head, for which all of it has ResponseTimeout.
func (t *trip) readHead(ctx context.Context) (*answer, error) {
	const start = "HTTP/1."
	t.c.SetReadDeadline(time.Now().Add(orDefault(t.x.relay.ResponseTimeout, DefaultResponseTimeout)))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if u := t.c.src.unread(); !bytes.HasPrefix(u[:min(len(u), len(start))], []byte(start)[:min(len(u), len(start))]) {
		return nil, fmt.Errorf("%w: not HTTP/1", errAnswer)
	}
	p, err := t.c.src.head()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %w", errAnswer, io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	a, err := parseAnswer(p, t.head.Method)
	if err != nil {
		return nil, err
	}
	t.c.src.skip(len(p))
	return a, nil
}
