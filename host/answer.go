package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"edge/abi"
	"edge/bridge"
)

// fail answers with an error. Only what an *abi.Error says reaches the client;
// anything else is logged, once, here.
func (x *exchange) fail(err error) { x.failWith(abi.AsError(err).Code.Status(), err) }

// failWith is fail with another status than the error's own.
func (x *exchange) failWith(status int, err error) {
	e := abi.AsError(err)
	if e.Code == abi.CodeInternal || e.Code == abi.CodePluginFailed {
		x.s.Log.Error("request failed", "request", x.id, "plugin", x.plugin, "error", err)
	}
	x.answerError(status, e)
}

// refuse answers what the gate did not let in, and closes the connection.
func (x *exchange) refuse(r *refusal) {
	x.via = ViaRefused
	x.rc.SetConnectionClose()
	x.answerError(r.status, r.err)
}

// answerError writes the error: a page for a browser, JSON for a program.
func (x *exchange) answerError(status int, e *abi.Error) {
	x.failure = string(e.Code)
	writeError(&x.rc.Response, status, e, x.id, x.wantsPage())
}

// ownAnswer prepares for an answer that the edge itself makes: it carries Date
// (RFC 9110, section 6.6.1), while relayed answers are left as they come.
func ownAnswer(resp *fasthttp.Response) {
	closing := resp.ConnectionClose()
	resp.Header.Reset()
	resp.Header.DisableNormalizing()
	resp.Header.SetNoDefaultContentType(true)
	if closing {
		resp.SetConnectionClose()
	}
}

// writeError fills the response in.
func writeError(resp *fasthttp.Response, status int, e *abi.Error, id string, page bool) {
	ownAnswer(resp)
	h := &resp.Header
	resp.SetStatusCode(status)
	h.Set("X-Request-Id", id)
	h.Set("Cache-Control", "no-store")
	switch status {
	case 405:
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	case 426:
		offerWebSocket(h)
	case 429, 503:
		h.Set("Retry-After", strconv.Itoa(retryAfter(e)))
	}
	if page {
		h.SetContentType("text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		h.Set("X-Content-Type-Options", "nosniff")
		resp.SetBody(errorPage(status, e, id))
		return
	}
	h.SetContentType("application/json")
	body, err := json.Marshal(e)
	if err != nil { // details that are no JSON
		bare := *e
		bare.Details = nil
		body, _ = json.Marshal(&bare)
	}
	resp.SetBody(append(body, '\n'))
}

// retryAfter is in how many seconds a client may ask again.
func retryAfter(e *abi.Error) int { return int(max(1, (e.RetryAfterMs+999)/1000)) }

// offerWebSocket says what a 426 must say: which protocol to upgrade to (RFC
// 9110, section 15.5.22; RFC 6455, section 4.4).
func offerWebSocket(h *fasthttp.ResponseHeader) {
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Version", "13")
}

// respond answers with what a plugin made.
func (x *exchange) respond(d *abi.Respond) {
	if problem := checkRespond(d); problem != "" {
		if d.Stream != nil {
			_ = d.Stream.Close()
		}
		x.s.Log.Error("plugin made an answer that cannot be sent", "plugin", x.plugin, "request", x.id, "problem", problem)
		x.fail(abi.Errorf(abi.CodePluginFailed, "plugin %q made an answer that cannot be sent: %s", x.plugin, problem))
		return
	}
	resp := &x.rc.Response
	ownAnswer(resp)
	resp.SetStatusCode(d.Status)
	for _, hd := range d.Headers {
		resp.Header.Add(hd.Name, hd.Value)
	}
	if d.Status == 426 {
		offerWebSocket(&resp.Header)
	}
	if d.Stream == nil {
		resp.SetBody(d.Body)
		return
	}
	x.handed = true
	resp.ImmediateHeaderFlush = true
	resp.SetBodyStream(&answerStream{x: x, stream: d.Stream, status: d.Status}, -1)
}

// checkRespond says what would break the answer's framing, or "". Framing is
// the server's (SPEC.md, section 5).
func checkRespond(d *abi.Respond) string {
	if d.Status < 200 || d.Status > 599 {
		return fmt.Sprintf("status %d is not 200 to 599", d.Status)
	}
	for _, hd := range d.Headers {
		switch {
		case !abi.ValidToken(hd.Name):
			return fmt.Sprintf("header name %.40q is not a token", hd.Name)
		case !abi.ValidValue(hd.Value):
			return fmt.Sprintf("the value of header %.40q holds a control character", hd.Name)
		case abi.FramesAnswer(hd.Name):
			return fmt.Sprintf("header %.40q is the server's to set", hd.Name)
		}
	}
	return ""
}

// answerStream is the body of a Respond in pieces. An error of the plugin's
// stream breaks the connection off, so that nobody takes half an answer for a
// whole one. Closing it ends the exchange.
type answerStream struct {
	x      *exchange
	stream io.ReadCloser
	status int
	sent   int64
	err    error
	closed atomic.Bool
}

// Read reads the next piece; a panic in the plugin's stream is an error.
func (a *answerStream) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			a.x.s.Log.Error("answer stream panicked", "plugin", a.x.plugin, "request", a.x.id,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			n, err = 0, errors.New("the stream panicked")
			a.err = err
		}
	}()
	n, err = a.stream.Read(p)
	a.sent += int64(n)
	if err != nil && err != io.EOF {
		a.x.s.Log.Warn("answer broke off", "plugin", a.x.plugin, "request", a.x.id, "error", err)
		a.err = err
	}
	return n, err
}

// Close closes the plugin's stream, which lets its instance go.
func (a *answerStream) Close() error {
	if a.closed.Swap(true) {
		return nil
	}
	err := a.stream.Close()
	a.x.leaveUnread()
	a.x.finish(bridge.Summary{Status: a.status, BytesOut: a.sent, Err: a.err})
	return err
}

// onReadError answers what fasthttp could not read as a request. A connection on
// which nothing ever came (browsers open some to spare), or that broke, is closed
// without a word.
func (s *Server) onReadError(rc *fasthttp.RequestCtx, err error) {
	var broken *net.OpError
	if c, ok := rc.Conn().(*clientConn); ok && !c.heard || errors.As(err, &broken) && !broken.Timeout() {
		_ = rc.Conn().Close()
		return
	}
	x := s.begin(rc)
	defer x.settle()
	r := refuse(400, "this is not an HTTP/1.1 request")
	var framing *framingError
	var small *fasthttp.ErrSmallBuffer
	var ne net.Error
	switch {
	case x.conn != nil && errors.As(x.conn.framing.err, &framing):
		r = refuse(400, "%s", framing.problem)
	case errors.As(err, &small):
		r = refuse(431, "the request's head is larger than %d bytes", s.MaxHeadBytes)
	case errors.As(err, &ne) && ne.Timeout():
		r = refuse(408, "the request's head did not arrive within %s", s.HeadTimeout)
	}
	x.refuse(r)
}

// onExpect answers "Expect: 100-continue" (RFC 9110, section 10.1.1): the client
// is told to send its body only if the request gets through the gate and leads
// somewhere. fasthttp then goes on to serve.
func (s *Server) onExpect(rc *fasthttp.RequestCtx) int {
	h, r := gate(&rc.Request.Header)
	if r == nil {
		if p, ok := s.previewOf(h.name, h.path); ok {
			if s.expects(rc, h, p) {
				return fasthttp.StatusContinue
			}
		} else if s.route(h.name, h.path) != nil {
			return fasthttp.StatusContinue
		}
	}
	// The request is served without its body: whatever it is answered now is
	// the final answer, and the connection closes with it.
	s.serve(rc)
	return rc.Response.StatusCode()
}
