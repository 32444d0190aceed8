package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"edge/abi"
)

// MaxBodyBytes bounds the JSON of a request: a file of abi.MaxFileResponse bytes
// in base64, with room for the rest.
const MaxBodyBytes = 48 << 20

// request reads the operation's request from the body and names the sandbox in
// it. The query holds nothing.
func (x *exchange) request() (json.RawMessage, error) {
	if err := x.onlyPretty(); err != nil {
		return nil, err
	}
	if err := checkType(x.r.Header, "application/json"); err != nil {
		return nil, err
	}
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	return addressed(x.address, body)
}

// onlyPretty refuses a query: a misspelt option must not be silently a default.
func (x *exchange) onlyPretty() error {
	for name := range x.r.URL.Query() {
		if name != "pretty" {
			return abi.Errorf(abi.CodeInvalidRequest, "query parameter %.40q is not known here", name).
				WithSuggestion("send an operation's fields as JSON in the body")
		}
	}
	return nil
}

// checkType wants one of the media types, or none said.
func checkType(h http.Header, wanted ...string) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return abi.Errorf(abi.CodeInvalidRequest, "content encoding %.40q is not taken", enc).WithSuggestion("send the body as it is")
	}
	text := h.Get("Content-Type")
	if text == "" {
		return nil
	}
	got, _, _ := mime.ParseMediaType(text)
	for _, w := range wanted {
		if got == w {
			return nil
		}
	}
	return abi.Errorf(abi.CodeInvalidRequest, "content type %.80q is not taken here", text).
		WithSuggestion("send the header \"Content-Type: %s\" (curl: -H)", wanted[0])
}

// readBody reads the whole body.
func (x *exchange) readBody() ([]byte, error) {
	if x.r.ContentLength > MaxBodyBytes {
		return nil, errBodyTooLarge()
	}
	if x.r.ContentLength > largeBody {
		if err := x.enlarge(x.ctx); err != nil {
			return nil, err
		}
	}
	var buf bytes.Buffer
	if x.r.ContentLength > 0 {
		buf.Grow(int(min(x.r.ContentLength, largeBody)) + bytes.MinRead)
	}
	body, done := x.bodyReader(x.ctx, x.s.pace.body)
	n, err := buf.ReadFrom(io.LimitReader(body, largeBody+1))
	var refusal error
	if err == nil && n > largeBody {
		if refusal = x.enlarge(x.ctx); refusal == nil {
			var m int64
			m, err = buf.ReadFrom(io.LimitReader(body, MaxBodyBytes+1-n))
			n += m
		}
	}
	done(err == nil && refusal == nil && n <= MaxBodyBytes)
	x.in.Add(n)
	switch {
	case refusal != nil:
		return nil, refusal
	case err != nil:
		return nil, x.bodyError(err)
	case n > MaxBodyBytes:
		return nil, errBodyTooLarge()
	}
	return buf.Bytes(), nil
}

func errBodyTooLarge() error {
	return abi.Errorf(abi.CodeBodyTooLarge, "the body is larger than %d bytes", MaxBodyBytes).
		WithSuggestion("write large files with writeFileStream")
}

// bodyError explains why a body could not be read. The server takes any such
// error, a passed deadline too, for the client's departure and ends the request's
// context; so that is asked last.
func (x *exchange) bodyError(err error) error {
	ne, isNet := errors.AsType[net.Error](err)
	switch cause := x.ctx.Err(); {
	case errors.Is(cause, context.DeadlineExceeded):
		return cause
	case isNet && ne.Timeout():
		return abi.Errorf(abi.CodeTimeout, "the body stopped coming")
	case cause != nil:
		return cause
	}
	return abi.Errorf(abi.CodeInvalidRequest, "the body is not complete")
}

// bodyReader is the body with a bound on silence; the end of ctx ends a read too.
// The caller calls done when it has read, and says whether that was all.
func (x *exchange) bodyReader(ctx context.Context, stall time.Duration) (body io.Reader, done func(whole bool)) {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = x.control.SetReadDeadline(time.Now())
		close(cut)
	})
	return &patientReader{ctx: ctx, body: x.r.Body, control: x.control, stall: stall}, func(whole bool) {
		if !stop() {
			<-cut
		}
		if x.bodyRead = whole; whole {
			// The deadline of the last read would end the watch over the
			// connection, which tells when the client is gone.
			_ = x.control.SetReadDeadline(time.Time{})
		}
	}
}

// leaveBody bounds what the server does with a body that was not read: to use
// the connection again it reads the rest, and would wait for it as long as the
// client likes. If it closes the connection instead, it lingers.
func (x *exchange) leaveBody() {
	if !x.bodyRead && x.r.ContentLength != 0 && x.status != http.StatusSwitchingProtocols {
		if c := connOf(x.r.Context()); c != nil {
			c.lingers.Store(true)
		}
		_ = x.control.SetReadDeadline(time.Now().Add(x.s.pace.drain))
	}
}

type patientReader struct {
	ctx     context.Context
	body    io.Reader
	control *http.ResponseController
	stall   time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(p.stall))
	if err := p.ctx.Err(); err != nil { // its own deadline may just have been replaced
		return 0, err
	}
	return p.body.Read(b)
}

// addressed is the operation's JSON: body's own fields, and the sandbox that the
// path names. The body may hold "sandbox" with options, and with the binding and
// id of the path; an empty body is an empty object.
func addressed(a address, body []byte) (json.RawMessage, error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		body = []byte("{}")
	}
	var own struct {
		Sandbox json.RawMessage `json:"sandbox"`
	}
	if err := json.Unmarshal(body, &own); err != nil || body[0] != '{' {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the body is not one JSON object%s", because(err))
	}
	ref, err := a.ref(own.Sandbox)
	if err != nil {
		return nil, err
	}
	name, err := json.Marshal(ref)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "sandbox: %v", err)
	}
	if own.Sandbox == nil {
		// The common case, without another copy of every field: a body may
		// hold a file.
		return splice(name, body), nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the body is not one JSON object%s", because(err))
	}
	fields["sandbox"] = name
	return json.Marshal(fields)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + abi.JSONReason(err)
}

// splice puts the sandbox in front of the object's fields.
func splice(sandbox, object []byte) json.RawMessage {
	rest := bytes.TrimLeft(object[1:], " \t\r\n")
	out := make([]byte, 0, len(`{"sandbox":`)+len(sandbox)+1+len(rest))
	out = append(append(out, `{"sandbox":`...), sandbox...)
	if rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, rest...)
}

// ref is the sandbox of the path with the options of the body.
func (a address) ref(options json.RawMessage) (abi.SandboxRef, error) {
	var ref abi.SandboxRef
	if options != nil {
		d := json.NewDecoder(bytes.NewReader(options))
		d.DisallowUnknownFields()
		if err := d.Decode(&ref); err != nil {
			return ref, abi.Errorf(abi.CodeInvalidRequest, "sandbox: %s", abi.JSONReason(err))
		}
	}
	if ref.Binding != "" && ref.Binding != a.binding || ref.ID != "" && !strings.EqualFold(ref.ID, a.id) {
		return ref, abi.Errorf(abi.CodeInvalidRequest, "the body names sandbox %.40q of binding %.40q, and the path another", ref.ID, ref.Binding).
			WithSuggestion("name the sandbox in the path alone")
	}
	ref.Binding, ref.ID = a.binding, a.id
	return ref, nil
}
