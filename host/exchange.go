package host

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"edge/abi"
	"edge/bridge"
)

// exchange is one request from the gate to its log line.
type exchange struct {
	record
	rc     *fasthttp.RequestCtx // of use only while serve runs
	conn   *clientConn          // nil in unit tests
	head   *head                // nil when the gate refused
	req    *abi.Request         // asked, or nil when the gate refused
	body   *requestBody         // nil when there is none
	target target
	from   origin
	ctx    lifetime

	watched bridge.Watched
	asked   abi.Request

	// decider is the plugin that was asked last.
	decider Decider
	// fallback is what a plan answers if nobody is reached; nil is the error.
	fallback *abi.PlanAnswer
	// told is set if whoever sent the request may see how it was decided.
	told *told

	// named is set for an address in preview form.
	named bool
	// strayed is what the paths of a preview begin with, in the path form, whose
	// page asks for an address outside of it; see returnStray.
	strayed string

	over atomic.Bool // finish ran
	// handed is set when somebody else (a relay, a stream) finishes the
	// exchange.
	handed bool
	// relayed is set when the answer is that of a sandbox's server.
	relayed bool
}

// serve is fasthttp's handler: one request.
func (s *Server) serve(rc *fasthttp.RequestCtx) {
	x := s.begin(rc)
	defer x.settle()
	if r := x.enter(); r != nil {
		x.refuse(r)
		return
	}
	x.dispatch()
}

// begin makes the exchange of a request.
func (s *Server) begin(rc *fasthttp.RequestCtx) *exchange {
	s.live.Add(1)
	x := &exchange{record: record{s: s, start: time.Now(), id: s.ids.next()}, rc: rc}
	if x.conn, _ = rc.Conn().(*clientConn); x.conn != nil {
		x.from.client, x.remote = x.conn.peer, x.conn.remoteAddr()
	} else {
		x.remote = rc.RemoteAddr().String()
	}
	// The deadline was the head's. It bounds neither the body nor the answer.
	_ = rc.Conn().SetReadDeadline(time.Time{})
	x.ctx.server, x.ctx.arrival = s.base, x.start
	if c := x.inside(); c != nil {
		x.ctx.depth = c.depth
	}
	return x
}

// enter puts the request through the gate and makes what a plugin sees.
func (x *exchange) enter() *refusal {
	h, r := gate(&x.rc.Request.Header)
	if r != nil {
		return r
	}
	x.head = h
	x.told = x.s.mayBeTold(h.explain)
	x.identify()
	x.method, x.host, x.path = h.method, loggedHost(h.name), loggedPath(h.path)
	x.asked = abi.Request{
		ID: x.id, Method: h.method, Scheme: x.from.scheme, Host: h.host, Path: h.path, Query: h.query, HasQuery: h.hasQuery,
		RemoteAddr: x.remote, Headers: h.headers, ContentLength: h.contentLength,
	}
	x.req = &x.asked
	if h.contentLength != 0 {
		x.body = &requestBody{conn: x.rc.Conn(), idle: x.s.BodyTimeout, r: x.rc.RequestBodyStream(), left: h.contentLength}
		x.req.Body = x.body
	}
	return nil
}

// identify finds out whose request it is, and how it came. Behind a proxy every one
// on a connection may be somebody else's.
func (x *exchange) identify() {
	x.from.scheme = "http"
	if x.conn == nil {
		return
	}
	var odd string
	x.from, odd = x.s.originOf(x.conn, x.head.forwarding)
	if odd != "" {
		x.s.Log.Debug("forwarding header not understood", "request", x.id, "header", odd, "proxy", x.conn.remoteAddr())
	}
	if x.from.client != x.conn.peer {
		x.remote = x.from.client.String()
	}
}

// gate parses what fasthttp kept of a head, and will use again. All strings of the
// head are parts of one copy.
func gate(h *fasthttp.RequestHeader) (*head, *refusal) {
	target, raw := h.RequestURI(), h.RawHeaders()
	var copied strings.Builder
	copied.Grow(len(target) + len(raw))
	copied.Write(target)
	copied.Write(raw)
	all := copied.String()
	return parseHead(wellKnown(h.Method()), all[:len(target)], wellKnown(h.Protocol()), all[len(target):])
}

// wellKnown is string(b), with no copy made of what most heads begin with.
func wellKnown(b []byte) string {
	switch string(b) {
	case "HTTP/1.1":
		return "HTTP/1.1"
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	}
	return string(b)
}

// dispatch finds who answers the request: a preview, the edge itself, or the
// plugins of a route, in this order.
func (x *exchange) dispatch() {
	if p, ok := x.s.previewOf(x.head.name, x.head.path); ok {
		x.dispatchPreview(p)
		return
	}
	if x.inside() != nil {
		x.fail(errNoPreview())
		return
	}
	if x.serveReserved() {
		return
	}
	x.noteReferer()
	chain := x.s.route(x.head.name, x.head.path)
	if chain == nil {
		if x.returnStray() {
			return
		}
		x.fail(abi.Errorf(abi.CodeNotFound, "nothing is served at this address").
			WithSuggestion("add a route for it to the edge's configuration"))
		return
	}
	x.via = ViaPlugin
	x.ask(chain)
}

// watchClient has the exchange's context end if the client goes away before
// unwatchClient is called. A client that sends a body is not watched before all of it
// was read: until then somebody else reads, and sees the end of it.
func (x *exchange) watchClient() {
	if x.body == nil {
		x.startWatch()
		return
	}
	x.body.whenThrough(x.startWatch)
}

func (x *exchange) unwatchClient() {
	if x.body == nil || x.body.forgetThrough() {
		x.s.watcher.Stop(&x.watched)
	}
}

// startWatch begins to watch a client from whom nobody reads.
func (x *exchange) startWatch() { x.s.watcher.Watch(&x.watched, x.rc.Conn(), x.ctx.end) }

// settle ends the handler's part: a panic is answered, unless a bridge has the
// connection, a body that nobody wanted is put out of the way, and the exchange is
// finished unless it was handed on.
func (x *exchange) settle() {
	if r := recover(); r != nil {
		x.s.Log.Error("request panicked", "request", x.id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		if !x.bridged() {
			x.handed = false
			x.rc.Response.Reset()
			x.rc.SetConnectionClose()
			x.fail(abi.Errorf(abi.CodeInternal, "internal error; the edge's log has the details"))
		}
	}
	if x.bridged() {
		return
	}
	if x.s.draining.Load() || x.head == nil || x.head.closing || x.unusable() {
		x.rc.SetConnectionClose()
	}
	x.showAnswer()
	if !x.handed {
		x.leaveUnread()
		x.finish(bridge.Summary{Status: x.rc.Response.StatusCode(), BytesOut: int64(len(x.rc.Response.Body()))})
	}
}

// bridged tells whether the client's connection is not the server's any more.
func (x *exchange) bridged() bool {
	return x.rc.Hijacked() || x.conn != nil && x.conn.given.Load()
}

// unusable tells whether the connection cannot carry another request, because a
// body was not read to its end or an upgrade was asked for and not made. A short
// rest of a body is read and dropped first: closing a connection on which bytes
// wait would cost the client the answer.
func (x *exchange) unusable() bool {
	if x.head.asksUpgrade {
		return true
	}
	if x.body == nil {
		return false
	}
	if !x.handed {
		return !x.body.drain(drainBytes, drainTime)
	}
	return !x.body.through()
}

// leaveUnread has a connection linger on which more of the request may come than
// was read. Who carried the request elsewhere sees to that himself.
func (x *exchange) leaveUnread() {
	if x.conn != nil && (x.head == nil || x.body != nil && !x.body.through()) {
		x.conn.unread.Store(true)
	}
}

const (
	drainBytes = 256 << 10
	drainTime  = 500 * time.Millisecond
)

// finish ends the exchange: exactly once, from whoever carried it last. It
// writes the log line.
func (x *exchange) finish(sum bridge.Summary) {
	if x.over.Swap(true) {
		return
	}
	if x.body != nil {
		x.body.end()
		if sum.BytesIn == 0 {
			_, sum.BytesIn, _ = x.body.state()
		}
	}
	x.ctx.end()
	x.close(sum)
}

// wantsPage tells whether the client is a person's browser.
func (x *exchange) wantsPage() bool {
	if x.req == nil {
		return false
	}
	for i := range x.req.Headers {
		hd := &x.req.Headers[i]
		if strings.EqualFold(hd.Name, "Accept") && strings.Contains(strings.ToLower(hd.Value), "text/html") {
			return true
		}
	}
	return false
}
