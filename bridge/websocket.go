package bridge

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// acceptGUID is the constant of RFC 6455, section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// WebSocket sends the client's handshake to the upstream and, when the backend
// has accepted it, splices the two connections. Key, subprotocols and extensions
// pass as they are, and the backend's own 101 is what the client gets. An answer
// other than 101 is relayed like any (see HTTP).
//
// On error nothing was written to rc and done is not called. What comes from the
// upstream is an *UpstreamError; StageAccept is a 101 that is not the answer to
// this handshake (RFC 6455, section 4.1). On nil done is called once, when both
// connections are closed. The handshake has HandshakeTimeout; ctx bounds the
// call, not the bridge. A client may end its half before the handshake is over, and
// one that leaves then is found when it is. After nil the connection is hijacked, or
// was yielded: the caller returns from its handler and writes nothing.
func (r *Relay) WebSocket(ctx context.Context, rc *fasthttp.RequestCtx, head *Head, up Upstream, own Owner, pol Policy, done func(Summary)) error {
	x, err := r.begin(rc, own, true, done)
	if err != nil {
		return err
	}
	if err := x.upgrade(ctx, rc, head, up, pol); err != nil {
		x.fail()
		return err
	}
	return nil
}

// upgrade carries the handshake to the backend's answer.
func (x *exchange) upgrade(ctx context.Context, rc *fasthttp.RequestCtx, head *Head, up Upstream, pol Policy) error {
	b := x.relay.buffers.get()
	defer x.relay.buffers.put(b)
	bare := &Head{Method: head.Method, Target: head.Target, Headers: head.Headers}
	req, err := appendRequest(b[:0], bare, true)
	if err != nil {
		return err
	}
	conn, err := x.dial(ctx, up)
	if err != nil {
		return err
	}
	c := &upstreamConn{Conn: conn, key: up.Key}
	c.src.init(conn, &x.relay.buffers)
	t := &trip{x: x, rc: rc, head: bare, c: c, upgrade: true}
	t.until = time.Now().Add(orDefault(x.relay.HandshakeTimeout, DefaultHandshakeTimeout))
	a, err := t.run(ctx, &request{bytes: req})
	if err == nil && a.status == 101 {
		err = accepted(a, bare)
	}
	if err == nil {
		a.edit(head.Answer)
	}
	if err == nil && a.status != 101 {
		a.keep = false // the request asked for the connection to change
		x.maxBytes = pol.MaxBytes
		x.limits.start(pol, x.breach, nil)
		return x.respond(rc, t, a)
	}
	t.w.stop()
	if err != nil {
		c.src.drop()
		c.Close()
		return err
	}
	pol.Deflate = deflates(a)
	pol.DeadPeer = orDefault(x.relay.DeadPeer, DefaultDeadPeer)
	return x.bridge(rc, c, a, pol)
}

// errHandshakeTimeout is why a handshake ended that took too long.
var errHandshakeTimeout = fmt.Errorf("handshake: %w", context.DeadlineExceeded)

// accepted checks that a 101 answers this handshake (RFC 6455, section 4.1,
// items 2 to 6). Which subprotocol and extensions it names is between the two
// ends: the client checks them against its own offer.
func accepted(a *answer, head *Head) error {
	key, _ := get(head.Headers, "Sec-WebSocket-Key")
	accept, n := get(a.headers, "Sec-WebSocket-Accept")
	var why string
	switch {
	case !hasToken(a.headers, "Upgrade", "websocket"):
		why = "no Upgrade: websocket"
	case !hasToken(a.headers, "Connection", "upgrade"):
		why = "no Connection: Upgrade"
	case n != 1 || accept != acceptKey(key):
		why = "Sec-WebSocket-Accept is not the answer to the key"
	default:
		return nil
	}
	return &UpstreamError{Stage: StageAccept, Started: true, Err: fmt.Errorf("%w: %s", errAnswer, why)}
}

// acceptKey is RFC 6455, section 4.2.2, item 5.4.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// deflates says whether the backend agreed to permessage-deflate.
func deflates(a *answer) bool {
	return hasToken(a.headers, "Sec-WebSocket-Extensions", "permessage-deflate")
}

// bridge hijacks the client and starts the engine. From here on a Close reaches
// the client as a close frame; it fails if one came before, with the client not
// answered yet.
func (x *exchange) bridge(rc *fasthttp.RequestCtx, c *upstreamConn, a *answer, pol Policy) error {
	x.mu.Lock()
	x.ready = x.cause == nil
	cause := x.cause
	x.mu.Unlock()
	if cause != nil {
		c.src.drop()
		c.Close()
		return &UpstreamError{Stage: StageAccept, Started: true, Err: cause}
	}
	x.status = a.status
	answer := append([]byte(nil), c.src.unread()...)
	c.src.drop()
	head := a.appendSwitch(nil)
	rc.Response.SetStatusCode(a.status)
	lost := func() {
		c.Close()
		x.finish(ErrClientGone)
	}
	x.take(rc, func(client net.Conn, early []byte) {
		// What the backend sent behind its head goes out right after it, through
		// the engine, which has to see every frame.
		client.SetWriteDeadline(time.Now().Add(closeWait))
		_, err := client.Write(head)
		client.SetWriteDeadline(time.Time{})
		if err != nil {
			client.Close()
			lost()
			return
		}
		x.start101(client, &earlyConn{Conn: c.Conn, early: answer}, early, pol)
	}, lost)
	return nil
}

// start101 hands both connections to the engine. Whatever closes the exchange from
// here on closes the engine's bridge: a Close waits for there to be one, so that
// nothing passes it which comes after that Close.
func (x *exchange) start101(client, backend net.Conn, early []byte, pol Policy) {
	x.mu.Lock()
	x.backend, x.client = nil, nil
	if s := x.pending; s != nil {
		x.mu.Unlock()
		x.turnAway(client, backend, s)
		return
	}
	x.live = x.relay.engine().Bridge(client, backend, early, pol, x.report)
	cut := x.cause != nil
	x.mu.Unlock()
	if cut { // while there was nobody to pass it on to
		x.abort()
	}
}

// turnAway ends a WebSocket that was closed before its bridge had begun.
func (x *exchange) turnAway(client, backend net.Conn, s *stop) {
	until := time.Now().Add(closeWait)
	client.SetWriteDeadline(until)
	backend.SetWriteDeadline(until)
	_, err := client.Write(appendClose(nil, s.code, s.reason, nil))
	_, other := backend.Write(appendClose(nil, s.code, s.reason, mask()))
	client.Close()
	backend.Close()
	x.report(Summary{Status: x.status, Duration: time.Since(x.start), Close: fmt.Sprintf("edge %d %s", s.code, s.reason), Err: errors.Join(err, other)})
}

// appendSwitch appends the backend's 101 as the client is sent it: its fields,
// with Connection and Upgrade made again.
func (a *answer) appendSwitch(dst []byte) []byte {
	reason := a.reason
	if reason == "" {
		reason = "Switching Protocols"
	}
	dst = append(dst, "HTTP/1.1 101 "...)
	dst = append(dst, reason...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	tokens := connectionTokens(a.headers)
	for _, h := range a.headers {
		if endToEnd(h, tokens) && !strings.EqualFold(h.Name, "Content-Length") {
			dst = appendField(dst, h.Name, h.Value)
		}
	}
	return append(dst, "\r\n"...)
}

// Shutdown refuses new exchanges, closes live WebSockets with 1001 between two
// frames and cuts event streams, which end no other way. Other HTTP answers may
// go on. It returns when all have ended; when ctx ends first, the rest is cut and
// ctx's reason returned. Idle upstream connections are closed.
func (r *Relay) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.down = true
	idle := make(chan struct{})
	if r.running == 0 {
		close(idle)
	} else if r.idle == nil {
		r.idle = idle
	} else {
		idle = r.idle
	}
	r.mu.Unlock()
	defer r.pool.close()
	for _, x := range r.exchanges() {
		x.drain()
	}
	select {
	case <-idle:
		r.splicer.Close()
		return nil
	case <-ctx.Done():
	}
	for _, x := range r.exchanges() {
		x.abort()
	}
	return context.Cause(ctx)
}

// exchanges are those of the table that are this relay's.
func (r *Relay) exchanges() []*exchange {
	var xs []*exchange
	for _, l := range r.table().lives(r.table().all(nil)) {
		if x, ok := l.(*exchange); ok && x.relay == r {
			xs = append(xs, x)
		}
	}
	return xs
}

// drain ends what does not end by itself.
func (x *exchange) drain() {
	x.mu.Lock()
	endless := x.websocket || x.events
	x.mu.Unlock()
	if endless {
		x.Close(closeGoingAway, "going away")
	}
}

// abort ends the exchange at once.
func (x *exchange) abort() {
	x.mu.Lock()
	live := x.live
	x.mu.Unlock()
	switch l := live.(type) {
	case nil:
		x.cut(errors.Join(ErrClosed, ErrShutdown))
	case interface{ abort() }:
		l.abort()
	default:
		l.Close(closeGoingAway, "going away")
	}
}
