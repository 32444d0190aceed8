package guest

import (
	"encoding/json"
	"io"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Response is what a handler returns: an *Answer, or one of the decisions that
// send the request on (Sandbox.WSConnect, Sandbox.ProxyTo, Next). It is a value
// and does nothing by itself: the host is told when the handler has returned.
type Response interface {
	// send tells the host the decision.
	send(*Request) error
}

// Answer is a response that the plugin itself makes.
type Answer struct {
	Status  int
	Headers []Header
	Body    []byte

	stream func(io.Writer) error
	err    error // of making the answer; reported when it is sent
}

// Text answers with plain text.
func Text(status int, s string) *Answer {
	return Bytes(status, "text/plain; charset=utf-8", instance.texts.copyOf(s))
}

// HTML answers with a page.
func HTML(status int, page string) *Answer {
	return Bytes(status, "text/html; charset=utf-8", instance.texts.copyOf(page))
}

// JSON answers with v as encoding/json writes it. A v that cannot be written
// fails the request as an error of the handler would.
func JSON(status int, v any) *Answer {
	b, err := json.Marshal(v)
	a := Bytes(status, "application/json", b)
	a.err = err
	return a
}

// Bytes answers with body, which must not change until the request is over. An
// empty contentType sends no such header.
func Bytes(status int, contentType string, body []byte) *Answer {
	cell := instance.answers.next()
	a := &cell.Answer
	a.Status, a.Body = status, body
	if contentType != "" {
		cell.headers[0] = Header{Name: "Content-Type", Value: contentType}
		a.Headers = cell.headers[:1]
	}
	return a
}

// answerCell is an answer with room for its first headers.
type answerCell struct {
	Answer
	headers [2]Header
}

// Stream answers with a body in pieces. write runs after the handler returned and
// before the request is over; each Write is sent at once and blocks while the
// client reads slowly. When write returns an error the connection is broken off.
func Stream(status int, headers []Header, write func(w io.Writer) error) *Answer {
	return &Answer{Status: status, Headers: headers, stream: write}
}

// WithHeader adds a header to the answer and returns it.
func (a *Answer) WithHeader(name, value string) *Answer {
	a.Headers = append(a.Headers, Header{Name: name, Value: value})
	return a
}

func (a *Answer) send(req *Request) error {
	switch {
	case a.err != nil:
		return a.err
	case a.stream != nil:
		return a.sendStream(req)
	}
	return req.decide("respond", edge1.Respond(req.handle, uint32(a.Status), a.headerBlock(), a.Body))
}

func (a *Answer) headerBlock() []byte {
	if len(a.Headers) == 0 {
		return nil
	}
	if !alone || len(a.Headers) > 1 {
		return abi.AppendHeaders(make([]byte, 0, 256), a.Headers)
	}
	// Nearly all answers that small plugins make have the same header.
	if h := a.Headers[0]; h != instance.header {
		instance.header, instance.block = h, abi.AppendHeaders(nil, a.Headers)
	}
	return instance.block
}

// sendStream begins the answer, lets the plugin write it, and ends it. Once it
// has begun there is no error to answer with any more: leaving it without its
// end is what tells the host to break the connection off.
func (a *Answer) sendStream(req *Request) error {
	if err := req.decide("respond", edge1.RespondBegin(req.handle, uint32(a.Status), a.headerBlock())); err != nil {
		return err
	}
	w := &bodyWriter{handle: req.handle}
	if err := a.stream(w); err != nil {
		level := LevelError
		if w.closed {
			level = LevelDebug // the client went away: nobody's fault
		}
		Log(level, "stream broke off", "error", err)
		return nil
	}
	if errno, _ := abi.SplitResult(edge1.RespondEnd(req.handle)); errno != abi.OK {
		Log(LevelDebug, "stream could not be ended", "error", errno)
	}
	return nil
}

// bodyWriter is the body of a streamed answer.
type bodyWriter struct {
	handle uint32
	closed bool
}

// Write sends p at once. Its error is CANCELED when the client is gone.
func (w *bodyWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if errno, _ := abi.SplitResult(edge1.RespondWrite(w.handle, p)); errno != abi.OK {
		w.closed = errno == abi.Closed
		return 0, meaning("write body", errno)
	}
	return len(p), nil
}

// Next leaves the request to the next plugin of the route's chain.
func Next() Response { return next{} }

type next struct{}

func (next) send(req *Request) error { return req.decide("next", edge1.Next(req.handle)) }

// made is a decision that the host was told already.
type made struct{}

func (made) send(*Request) error { return nil }

// target is a decision for a port of a sandbox.
type target struct {
	name    string
	tell    func(req uint32, binding, id string, port uint32, options []byte) uint64
	sandbox *Sandbox
	port    int
	policy  *Policy // nil asks for nothing
	stream  *abi.StreamCall
}

func (t *target) send(req *Request) error {
	options, err := t.options()
	if err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "%s: %v", t.name, err)
	}
	ref := &t.sandbox.ref
	return req.decide(t.name, t.tell(req.handle, ref.Binding, ref.ID, uint32(t.port), options))
}

// options returns the target's options as the host takes them, nil if there are
// none.
func (t *target) options() ([]byte, error) {
	sandbox := t.sandbox.options()
	switch {
	case t.stream != nil:
	case sandbox == nil && t.policy == nil:
		return nil, nil
	case sandbox == nil && t.policy.AllowOrigins == nil && t.policy.Protocols == nil:
		return append(appendLimits([]byte(`{"policy":`), t.policy), '}'), nil
	}
	o := abi.TargetOptions{Sandbox: sandbox, Stream: t.stream}
	if t.policy != nil {
		o.Policy = *t.policy
	}
	return json.Marshal(o)
}

// wanted returns a copy of the last policy given, or nil if it asks for nothing.
func wanted(policies []Policy) *Policy {
	if len(policies) == 0 || policies[len(policies)-1].IsZero() {
		return nil
	}
	policy := policies[len(policies)-1]
	return &policy
}

// decide takes the result of a deciding call.
func (r *Request) decide(call string, result uint64) error {
	if errno, _ := abi.SplitResult(result); errno != abi.OK {
		return failure(r.handle, call, errno)
	}
	r.decided = true
	return nil
}
