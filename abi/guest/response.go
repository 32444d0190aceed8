package guest

import (
	"encoding/json"
	"errors"
	"io"
	"slices"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Response is what a handler returns: an answer, or where to send the request.
// It is a value and does nothing by itself; the zero Response is no decision.
type Response struct {
	kind    int // an abi.Decision number, or one of the kinds below
	status  int
	headers []Header
	body    []byte
	stream  func(io.Writer) error
	target  *Sandbox
	port    int
	policy  Policy
	err     error // of making the response; reported when it is sent
}

// kindMade is a decision that the host was told already.
const kindMade = -1

// Text answers with plain text.
func Text(status int, s string) Response {
	return Bytes(status, "text/plain; charset=utf-8", []byte(s))
}

// HTML answers with a page.
func HTML(status int, page string) Response {
	return Bytes(status, "text/html; charset=utf-8", []byte(page))
}

// JSON answers with v as encoding/json writes it. A v that cannot be written
// fails the request as an error of the handler would.
func JSON(status int, v any) Response {
	b, err := json.Marshal(v)
	resp := Bytes(status, "application/json", b)
	resp.err = err
	return resp
}

// Bytes answers with body, which must not change until the handler returned. An
// empty contentType sends no such header.
func Bytes(status int, contentType string, body []byte) Response {
	resp := Response{kind: abi.DecisionRespond, status: status, body: body}
	if contentType != "" {
		resp.headers = []Header{{Name: "Content-Type", Value: contentType}}
	}
	return resp
}

// Stream answers with a body in pieces. write runs after the handler returned it
// and before the request ends; each Write is sent at once and blocks while the
// client reads slowly. When write returns an error the connection is broken off.
func Stream(status int, headers []Header, write func(w io.Writer) error) Response {
	return Response{kind: abi.DecisionRespond, status: status, headers: headers, stream: write}
}

// Next leaves the request to the next plugin of the route's chain.
func Next() Response { return Response{kind: abi.DecisionNext} }

// WithHeader returns the response with one header more. It says nothing of a
// Response that sends the request on: there the backend's headers count.
func (r Response) WithHeader(name, value string) Response {
	r.headers = append(slices.Clip(r.headers), Header{Name: name, Value: value})
	return r
}

var errNoDecision = errors.New("the handler returned an empty Response")

// send tells the host the decision.
func (r *Response) send(req *Request) error {
	if r.err != nil {
		return r.err
	}
	switch r.kind {
	case kindMade:
		return nil
	case abi.DecisionRespond:
		if r.stream != nil {
			return r.sendStream(req)
		}
		return req.decide("respond", edge1.Respond(req.handle, uint32(r.status), r.headerBlock(), r.body))
	case abi.DecisionConnect:
		return r.sendTarget(req, "wsConnect", edge1.Connect)
	case abi.DecisionProxy:
		return r.sendTarget(req, "proxy", edge1.Proxy)
	case abi.DecisionNext:
		return req.decide("next", edge1.Next(req.handle))
	}
	return errNoDecision
}

func (r *Response) headerBlock() []byte {
	if len(r.headers) == 0 {
		return nil
	}
	return abi.AppendHeaders(make([]byte, 0, 256), r.headers)
}

// decide takes the result of a deciding call.
func (r *Request) decide(call string, result uint64) error {
	if errno, _ := abi.SplitResult(result); errno != abi.OK {
		return failure(r.handle, call, errno)
	}
	r.decided = true
	return nil
}

// sendStream begins the answer, lets the plugin write it, and ends it. Once it
// has begun there is no error to answer with any more: leaving it without its
// end is what tells the host to break the connection off.
func (r *Response) sendStream(req *Request) error {
	if err := req.decide("respond", edge1.RespondBegin(req.handle, uint32(r.status), r.headerBlock())); err != nil {
		return err
	}
	w := &bodyWriter{handle: req.handle}
	if err := r.stream(w); err != nil {
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

type targetCall = func(req uint32, binding, id string, port uint32, options []byte) uint64

func (r *Response) sendTarget(req *Request, name string, call targetCall) error {
	options, err := r.options()
	if err != nil {
		return err
	}
	ref := &r.target.ref
	return req.decide(name, call(req.handle, ref.Binding, ref.ID, uint32(r.port), options))
}

// options returns the JSON of what differs from the defaults, or nil.
func (r *Response) options() ([]byte, error) {
	o := abi.TargetOptions{Policy: r.policy, Sandbox: r.target.options()}
	if o.Policy == (Policy{}) && o.Sandbox == nil {
		return nil, nil
	}
	return json.Marshal(o)
}
