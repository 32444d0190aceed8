package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"edge/abi"
)

// exchange is one request on its way to its answer. It belongs to the request's
// goroutine.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	address address
	id      string
	begun   time.Time
	// ctx is the request's, bounded by its Edge-Timeout.
	ctx context.Context

	// bodyRead is set when the whole body was read.
	bodyRead bool
	// large is set while the request takes one of the places for large ones.
	large bool

	// What the access log tells. in and out count the bytes of bodies and
	// messages; a WebSocket's are counted by two goroutines.
	status  int
	code    abi.Code
	close   int // a WebSocket's close code
	in, out atomic.Int64
}

// serve answers one request, whatever happens on the way.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	entered := s.enter()
	if entered {
		defer s.serving.Done()
	}
	x := &exchange{s: s, w: w, r: r, control: http.NewResponseController(w), id: s.ids.next(), begun: time.Now(), ctx: r.Context()}
	// The last answer on this connection left a deadline behind.
	_ = x.control.SetWriteDeadline(time.Time{})
	defer x.finish()
	h := w.Header()
	h.Set("X-Request-Id", x.id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status, refusal := s.admit(r); refusal != nil {
		if status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", `Bearer realm="edge"`)
		}
		// What is behind the head was not looked at.
		h.Set("Connection", "close")
		x.refuse(status, refusal)
		return
	}
	if !entered {
		h.Set("Connection", "close")
		e := shuttingDown()
		x.refuse(e.Code.Status(), e)
		return
	}
	cancel, err := x.bound()
	defer cancel()
	if err == nil {
		err = x.route()
	}
	if err != nil {
		x.fail(err)
	}
}

// timeoutHeader bounds a request: "10s", or milliseconds.
const timeoutHeader = "Edge-Timeout"

// bound gives the context the deadline that the client set.
func (x *exchange) bound() (context.CancelFunc, error) {
	text := x.r.Header.Get(timeoutHeader)
	if text == "" {
		return func() {}, nil
	}
	d, err := abi.ParseDuration(text)
	if err != nil || d <= 0 {
		return func() {}, abi.Errorf(abi.CodeInvalidRequest, "header %s %.40q: want a number with a unit, like \"10s\", or milliseconds", timeoutHeader, text)
	}
	var cancel context.CancelFunc
	x.ctx, cancel = context.WithTimeout(x.ctx, d.D())
	return cancel, nil
}

// route finds who serves the request.
func (x *exchange) route() error {
	var err error
	if x.address, err = parseAddress(x.s.resources, x.r.URL.EscapedPath()); err != nil {
		return err
	}
	if x.r.Method == http.MethodOptions {
		x.w.Header().Set("Allow", x.address.resource.allow())
		x.writeHeader(http.StatusNoContent)
		return nil
	}
	m, ok := x.address.resource.find(x.r.Method)
	if !ok {
		allow := x.address.resource.allow()
		x.w.Header().Set("Allow", allow)
		x.refuse(http.StatusMethodNotAllowed, abi.Errorf(abi.CodeInvalidRequest, "method %.20q cannot be used here", x.r.Method).
			WithSuggestion("use one of %s", allow))
		return nil
	}
	return m.serve(x)
}

// writeHeader begins the answer.
func (x *exchange) writeHeader(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

// answer sends a JSON answer; people get it indented.
func (x *exchange) answer(status int, body json.RawMessage) error {
	if x.r.URL.Query().Has("pretty") {
		body = indented(body)
	}
	h := x.w.Header()
	x.leaveBody()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	x.writeHeader(status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	return x.writeAll(append(body, '\n'))
}

// answerWith sends v as JSON.
func (x *exchange) answerWith(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return x.answer(http.StatusOK, b)
}

// answerPiece is how much of an answer has one deadline, in bytes.
const answerPiece = 256 << 10

// writeAll writes an answer in pieces, so that the bound counts from the last
// progress; leaveAnswer has the last bound. A client that is gone is no error of ours.
func (x *exchange) writeAll(b []byte) error {
	for len(b) > 0 {
		piece := b[:min(len(b), answerPiece)]
		_ = x.control.SetWriteDeadline(time.Now().Add(x.s.pace.answer))
		n, err := x.w.Write(piece)
		x.out.Add(int64(n))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		b = b[len(piece):]
	}
	return nil
}

// fail answers with the error, or, when the answer has begun, breaks it off: a
// half answer must not look whole.
func (x *exchange) fail(err error) {
	e := x.border(err)
	if x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	x.refuse(e.Code.Status(), e)
}

// border is err as it may leave the edge; what it does not say is logged.
func (x *exchange) border(err error) *abi.Error {
	if _, ok := errors.AsType[*abi.Error](err); !ok && x.ctx.Err() == nil && !errors.Is(err, errClientGone) {
		x.s.Log.Error("request failed", "request", x.id, "path", x.r.URL.Path, "error", err)
	}
	// A call that its caller's end cut short may report it in its own words.
	if cause := x.ctx.Err(); cause != nil && !errors.Is(err, cause) {
		if _, ok := errors.AsType[*abi.Error](err); !ok {
			err = cause
		}
	}
	e := *abi.AsError(err)
	if e.Operation == "" && x.address.row != nil {
		e.Operation = x.address.row.Name()
	}
	x.code = e.Code
	return &e
}

// errClientGone: what is written reaches nobody any more.
var errClientGone = fmt.Errorf("the client is gone: %w", context.Canceled)

// Failure is the JSON of an error.
type Failure struct {
	Error *abi.Error `json:"error"`
}

// marshal returns the JSON; details that are none are left out.
func (f Failure) marshal() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		bare := *f.Error
		bare.Details = nil
		b, _ = json.Marshal(Failure{&bare})
	}
	return b
}

// refuse sends an error.
func (x *exchange) refuse(status int, e *abi.Error) {
	x.code = e.Code
	h := x.w.Header()
	switch {
	case e.RetryAfterMs > 0:
		h.Set("Retry-After", strconv.FormatInt((e.RetryAfterMs+999)/1000, 10))
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	if status == http.StatusUpgradeRequired {
		h.Set("Upgrade", "websocket")
		h.Add("Connection", "Upgrade")
	}
	_ = x.answer(status, Failure{e}.marshal())
}

// finish writes the access log, and turns a panic into an answer if none has
// begun.
func (x *exchange) finish() {
	p := recover()
	x.shrink()
	if p != nil && p != any(http.ErrAbortHandler) {
		x.s.Log.Error("panic", "request", x.id, "path", x.r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		x.code = abi.CodeInternal
		if x.status == 0 {
			x.refuse(http.StatusInternalServerError, abi.AsError(errPanic))
			p = nil
		}
	}
	x.leaveBody()
	x.leaveAnswer()
	x.logAccess()
	if p != nil {
		panic(http.ErrAbortHandler) // closes the connection
	}
}

// leaveAnswer bounds the end of the answer, which the server writes after this.
func (x *exchange) leaveAnswer() {
	if x.status != http.StatusSwitchingProtocols { // then the connection is not the server's any more
		_ = x.control.SetWriteDeadline(time.Now().Add(x.s.pace.answer))
	}
}

var errPanic = errors.New("panic")

// maxLoggedPath is more than any path of the API has: who has no token fills no
// disk with a long one.
const maxLoggedPath = 256

func loggedPath(path string) string {
	if len(path) <= maxLoggedPath {
		return path
	}
	return path[:maxLoggedPath] + "..."
}

// logAccess writes the request's line: no query, header or body.
func (x *exchange) logAccess() {
	remote := x.r.RemoteAddr
	if p := peerOf(x.r.Context()); p != nil {
		remote = "unix:" + strconv.Itoa(p.uid)
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("request", x.id), slog.String("remote", remote), slog.String("method", x.r.Method),
		slog.String("path", loggedPath(x.r.URL.Path)), slog.Int("status", x.status),
		slog.Int64("in", x.in.Load()), slog.Int64("out", x.out.Load()), slog.Duration("duration", time.Since(x.begun)))
	if x.address.row != nil {
		attrs = append(attrs, slog.String("binding", x.address.binding), slog.String("sandbox", x.address.id), slog.String("operation", x.address.row.Name()))
	}
	if x.code != "" {
		attrs = append(attrs, slog.String("code", string(x.code)))
	}
	if x.close != 0 {
		attrs = append(attrs, slog.Int("close", x.close))
	}
	x.s.AccessLog.LogAttrs(context.Background(), slog.LevelInfo, "admin request", attrs...)
}
