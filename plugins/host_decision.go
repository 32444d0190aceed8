package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"edge/abi"
)

// decide makes d the request's decision. It takes effect when the guest returns.
func (in *instance) decide(x *exchange, d abi.Decision) uint64 {
	return in.conclude(x, outcome{decision: d})
}

// conclude is decide for a decision that may be an error.
func (in *instance) conclude(x *exchange, out outcome) uint64 {
	x.decided = out
	in.note(x)
	return answer(abi.OK)
}

// wrong refuses a decision. What is wrong with the plugin itself, such as a policy
// that cannot be carried out, the log is told too: the plugin may answer it to
// whoever asks, and tell nobody else.
func (in *instance) wrong(x *exchange, e *abi.Error) uint64 {
	switch e.Code {
	case abi.CodeInvalidRequest:
		in.gen.complain("a plugin made a decision that cannot be carried out", e)
	case abi.CodeDenied:
		in.gen.complain(notGranted, e)
	}
	return x.fail(e)
}

// undecided returns the open request of a handle, or nil and what to answer: a
// request gets one decision.
func (in *instance) undecided(handle uint64) (*exchange, uint64) {
	x := in.find(handle)
	switch {
	case x == nil || x.isAbandoned():
		return nil, answer(abi.Closed)
	case x.event != nil:
		return nil, x.refuse(abi.CodeInvalidRequest, "an event is no request: there is nothing to decide")
	case x.decided.isSet():
		x.lastErr = abi.Errorf(abi.CodeInvalidRequest, "the request has a decision already")
		return nil, answer(abi.Already)
	}
	return x, 0
}

// respond: (req, status, headers, headers_len, body, body_len). See SPEC.md,
// section 5.
func respond(in *instance, a []uint64) uint64 {
	block, body := in.bytes(a[2], a[3]), in.bytes(a[4], a[5])
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	r, e := response(int32(uint32(a[1])), block)
	if e != nil {
		return x.fail(e)
	}
	r.Body = bytes.Clone(body)
	return in.decide(x, r)
}

// response checks status and headers of an answer.
func response(status int32, block []byte) (*abi.Respond, *abi.Error) {
	if status < 200 || status > 599 {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "status %d is not between 200 and 599", status)
	}
	headers, err := abi.ParseHeaders(block)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "headers: %v", err)
	}
	for _, h := range headers {
		switch {
		case !abi.ValidToken(h.Name):
			return nil, abi.Errorf(abi.CodeInvalidRequest, "header name %.100q is no token", h.Name)
		case !abi.ValidValue(h.Value):
			return nil, abi.Errorf(abi.CodeInvalidRequest, "header %s: the value holds a control character", h.Name)
		case abi.FramesAnswer(h.Name):
			return nil, abi.Errorf(abi.CodeInvalidRequest, "header %s is the host's to write", h.Name)
		}
	}
	return &abi.Respond{Status: int(status), Headers: headers}, nil
}

// fail: (req, error, error_len). The decision is the error that Decide returns,
// and whoever called Decide answers it as one of its own. The answer that an
// asynchronous module has begun is broken off.
func fail(in *instance, a []uint64) uint64 {
	text := in.bytes(a[1], a[2])
	if x := in.find(a[0]); x != nil && x.stream != nil && !x.stream.ended && in.gen.shape.async {
		in.note(x) // finish breaks off a stream that has not ended
		return answer(abi.OK)
	}
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	e, err := abi.ParseError(text)
	if err != nil {
		return x.fail(abi.AsError(err))
	}
	return in.conclude(x, outcome{err: &chosenError{e}})
}

// connect: (req, binding, binding_len, id, id_len, port, options, options_len).
func connect(in *instance, a []uint64) uint64 {
	t := in.target(a)
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	upgrade := false
	if !x.request(func(r *abi.Request) { upgrade = r.IsUpgrade() }) {
		return answer(abi.Closed)
	}
	if !upgrade {
		return x.refuse(abi.CodeUpgradeRequired, "connect wants a WebSocket upgrade request")
	}
	var opts abi.TargetOptions
	ref, e := t.resolve(&opts)
	switch {
	case e != nil:
	case opts.Stream != nil:
		e = in.mayStream(x, t, ref, opts.Stream)
	default:
		if e = t.checkPort(); e == nil {
			e = in.gen.granted(ref, t.port)
		}
	}
	if e != nil {
		return in.wrong(x, e)
	}
	ref.SandboxOptions = sandboxOptions(opts.Sandbox)
	return in.decide(x, &abi.Connect{Sandbox: ref, Port: t.port, Stream: opts.Stream, Policy: opts.Policy, Wake: opts.Wake})
}

// mayStream checks a stream that the client is to be connected with, as op_open
// would.
func (in *instance) mayStream(x *exchange, t target, ref abi.SandboxRef, stream *abi.StreamCall) *abi.Error {
	if t.port != 0 {
		return abi.Errorf(abi.CodeInvalidRequest, "options: stream goes with the port 0, not with %d", t.port)
	}
	body, err := stream.Call(ref)
	if err == nil {
		err = in.agent(x).mayCall(stream.Name, body)
	}
	return abi.AsError(err)
}

// proxy: as connect. Port 0 is the exposure that the request names.
func proxy(in *instance, a []uint64) uint64 {
	t := in.target(a)
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	var opts abi.TargetOptions
	if t.port == 0 && t.binding == "" {
		return in.proxyPreview(x, t, &opts)
	}
	ref, e := t.resolve(&opts)
	if e == nil {
		e = unstreamed(&opts)
	}
	if e == nil && t.port != 0 {
		e = t.checkPort()
	}
	if e == nil {
		e = in.gen.granted(ref, t.port)
	}
	if e != nil {
		return in.wrong(x, e)
	}
	ref.SandboxOptions = sandboxOptions(opts.Sandbox)
	return in.decide(x, &abi.Proxy{Sandbox: ref, Port: t.port, Policy: opts.Policy, Wake: opts.Wake})
}

// proxyPreview decides for the exposure that the request's host or path names,
// if it is in that form at all.
func (in *instance) proxyPreview(x *exchange, t target, opts *abi.TargetOptions) uint64 {
	if err := strictOptions(t.options, opts); err != nil {
		return in.wrong(x, abi.Errorf(abi.CodeInvalidRequest, "options: %v", err))
	}
	if e := unstreamed(opts); e != nil {
		return in.wrong(x, e)
	}
	named, ok := x.namesPreview()
	switch {
	case !ok:
		return answer(abi.Closed)
	case !named:
		return x.refuse(abi.CodeNotFound, "neither host nor path of the request names an exposure")
	}
	return in.decide(x, &abi.Proxy{Policy: opts.Policy, Wake: opts.Wake})
}

// unstreamed refuses a stream where there can be none.
func unstreamed(opts *abi.TargetOptions) *abi.Error {
	if opts.Stream == nil {
		return nil
	}
	return abi.Errorf(abi.CodeInvalidRequest, "options: stream is for connect, not for proxy")
}

// next: (req).
func next(in *instance, a []uint64) uint64 {
	x, no := in.undecided(a[0])
	if x == nil {
		return no
	}
	return in.decide(x, &abi.Next{})
}

// target is what connect, proxy and ws_open name.
type target struct {
	binding, id string
	port        int
	options     []byte
}

// target reads (_, binding, binding_len, id, id_len, port, options, options_len).
func (in *instance) target(a []uint64) target {
	return target{in.text(a[1], a[2]), in.text(a[3], a[4]), int(int32(uint32(a[5]))), in.bytes(a[6], a[7])}
}

// resolve checks the sandbox's names and reads the options into opts. Whether
// the binding exists is the host's to say.
func (t target) resolve(opts any) (abi.SandboxRef, *abi.Error) {
	if err := strictOptions(t.options, opts); err != nil {
		return abi.SandboxRef{}, abi.Errorf(abi.CodeInvalidRequest, "options: %v", err)
	}
	if !abi.ValidBinding(t.binding) {
		return abi.SandboxRef{}, abi.Errorf(abi.CodeUnknownBinding, "there is no binding %.60q", t.binding)
	}
	id, err := abi.NormalizeID(t.id)
	if err != nil {
		return abi.SandboxRef{}, abi.AsError(err)
	}
	return abi.SandboxRef{Binding: t.binding, ID: id}, nil
}

func (t target) checkPort() *abi.Error { return abi.AsError(abi.CheckPort(t.port)) }

func sandboxOptions(o *abi.SandboxOptions) abi.SandboxOptions {
	if o == nil {
		return abi.SandboxOptions{}
	}
	return *o
}

// maxOptions bounds the JSON of options and of a fetch, in bytes: while it is read
// nobody looks at the guest's time.
const maxOptions = 1 << 20

// strictOptions reads a guest's options; none are an empty object, and a field
// that there is not is an error.
func strictOptions(b []byte, v any) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) > maxOptions {
		return fmt.Errorf("%d bytes are more than %d", len(b), maxOptions)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one JSON value")
	}
	if o, ok := v.(*abi.TargetOptions); ok {
		if e := abi.AsError(o.Policy.Check()); e != nil {
			return errors.New(e.Message)
		}
	}
	return nil
}
