//go:build !wasip1

package guesttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/internal/edge1"
)

var _ edge1.Host = (*border)(nil)

// border is the host's side of one call into the plugin.
type border struct {
	host   *Host
	result *Result
	// handle is the open request's, 0 without one.
	handle  uint32
	req     *abi.Request
	last    *abi.Error
	kept    []byte // the result that did not fit
	stream  *abi.Respond
	ended   bool
	sockets map[uint32]abi.Socket
	fetches map[uint32]*guest.FetchResponse
	event   *abi.SandboxEvent // what happened, if the handle is an event's
}

func (b *border) newHandle() uint32 {
	b.host.handles++
	return b.host.handles
}

func (b *border) begin(req *abi.Request) {
	b.handle, b.req = b.newHandle(), req
	b.sockets, b.fetches = map[uint32]abi.Socket{}, map[uint32]*guest.FetchResponse{}
}

// end closes what dies with the request.
func (b *border) end() {
	b.handle = 0
	b.result.Broken = b.stream != nil && !b.ended
	for _, s := range b.sockets {
		// The plugin left it open; the edge closes it like this.
		_ = s.Close(1001, "")
	}
	for _, f := range b.fetches {
		_ = f.Body.Close()
	}
}

// open tells whether req is the request that is being handled.
func (b *border) open(req uint32) bool { return req != 0 && req == b.handle }

// fail keeps err as the request's last error and returns its number.
func (b *border) fail(err error) uint64 {
	b.last = abi.AsError(err)
	return abi.Result(b.last.Code.Errno(), 0)
}

// give writes a result as SPEC.md says: whole, or not at all and kept.
func (b *border) give(buf, result []byte) uint64 {
	if len(result) <= len(buf) {
		copy(buf, result)
	} else {
		b.kept = result
	}
	return abi.Result(abi.OK, uint32(len(result)))
}

func closed() uint64 { return abi.Result(abi.Closed, 0) }

func ok(low uint32) uint64 { return abi.Result(abi.OK, low) }

// Feature implements edge1.Host: the fake has everything but the asynchronous
// forms.
func (b *border) Feature(name string) uint64 {
	if strings.HasSuffix(name, "_start") {
		return abi.Result(abi.Unsupported, 0)
	}
	return ok(1)
}

// Log implements edge1.Host.
func (b *border) Log(_ uint32, level int32, msg string, fields []byte) uint64 {
	list, err := abi.ParseValues(fields)
	if err != nil || len(list)%2 != 0 {
		return abi.Result(abi.Invalid, 0)
	}
	b.result.Logs = append(b.result.Logs, Line{guest.Level(level), msg, list})
	return ok(0)
}

// ConfigGet implements edge1.Host.
func (b *border) ConfigGet(key string, buf []byte) uint64 {
	v, found := b.host.Config[key]
	if !found {
		return abi.Result(abi.NotFound, 0)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return abi.Result(abi.Internal, 0)
	}
	return b.give(buf, text)
}

// LastError implements edge1.Host.
func (b *border) LastError(req uint32, buf []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	if b.last == nil {
		return abi.Result(abi.NotFound, 0)
	}
	text, err := json.Marshal(b.last)
	if err != nil {
		return abi.Result(abi.Internal, 0)
	}
	return b.give(buf, text)
}

// ResultRead implements edge1.Host.
func (b *border) ResultRead(req, call, offset uint32, buf []byte) uint64 {
	if req != 0 && !b.open(req) || call != 0 {
		return closed()
	}
	if int(offset) > len(b.kept) {
		return abi.Result(abi.Invalid, 0)
	}
	return ok(uint32(copy(buf, b.kept[offset:])))
}

// EventRead implements edge1.Host.
func (b *border) EventRead(event uint32, buf []byte) uint64 {
	if !b.open(event) {
		return closed()
	}
	if b.event == nil {
		return b.fail(abi.Errorf(abi.CodeInvalidRequest, "the handle is a request's, and no event's"))
	}
	text, err := json.Marshal(b.event)
	if err != nil {
		return b.fail(err)
	}
	return b.give(buf, text)
}

// ReqGet implements edge1.Host.
func (b *border) ReqGet(req, field uint32, buf []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	r := b.req
	values := map[uint32]string{
		abi.FieldMethod: r.Method, abi.FieldScheme: r.Scheme, abi.FieldHost: r.Host, abi.FieldPath: r.Path, abi.FieldQuery: r.Query,
		abi.FieldRemoteAddr: r.RemoteAddr, abi.FieldID: r.ID, abi.FieldURL: r.URL(),
	}
	v, found := values[field]
	if !found {
		return abi.Result(abi.Invalid, 0)
	}
	return b.give(buf, []byte(v))
}

// ReqSet implements edge1.Host.
func (b *border) ReqSet(req, field uint32, value string) uint64 {
	if !b.open(req) {
		return closed()
	}
	if strings.ContainsAny(value, " \r\n\x00") {
		return abi.Result(abi.Invalid, 0)
	}
	switch field {
	case abi.FieldMethod:
		b.req.Method = value
	case abi.FieldPath:
		b.req.Path = value
	case abi.FieldQuery:
		b.req.Query, b.req.HasQuery = value, value != ""
	default:
		return abi.Result(abi.Invalid, 0)
	}
	return ok(0)
}

// ReqHeader implements edge1.Host.
func (b *border) ReqHeader(req uint32, name string, buf []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	vs := b.req.HeaderValues(name)
	if vs == nil {
		return abi.Result(abi.NotFound, 0)
	}
	return b.give(buf, abi.AppendValues(nil, vs))
}

// ReqHeaders implements edge1.Host.
func (b *border) ReqHeaders(req uint32, buf []byte) uint64 {
	if !b.open(req) {
		return closed()
	}
	return b.give(buf, abi.AppendHeaders(nil, b.req.Headers))
}

// ReqHeaderSet implements edge1.Host.
func (b *border) ReqHeaderSet(req uint32, name, value string) uint64 {
	return b.edit(req, name, value, func() { b.req.SetHeader(name, value) })
}

// ReqHeaderAdd implements edge1.Host.
func (b *border) ReqHeaderAdd(req uint32, name, value string) uint64 {
	return b.edit(req, name, value, func() { b.req.Headers = append(b.req.Headers, abi.Header{Name: name, Value: value}) })
}

// ReqHeaderDel implements edge1.Host.
func (b *border) ReqHeaderDel(req uint32, name string) uint64 {
	return b.edit(req, name, "", func() { b.req.DelHeader(name) })
}

// connectionHeaders belong to one connection (RFC 9110, section 7.6.1) or frame
// its messages: the edge makes them itself.
var connectionHeaders = []string{
	"host", "connection", "upgrade", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "content-length",
}

func (b *border) edit(req uint32, name, value string, apply func()) uint64 {
	switch {
	case !b.open(req):
		return closed()
	case name == "" || strings.ContainsAny(name, " \t\r\n\x00:") || strings.ContainsAny(value, "\r\n\x00"):
		return b.fail(abi.Errorf(abi.CodeInvalidRequest, "header %q cannot be sent", name))
	case slices.Contains(connectionHeaders, strings.ToLower(name)):
		return b.fail(abi.Errorf(abi.CodeDenied, "header %q is the edge's own", name))
	}
	apply()
	return ok(0)
}

// ReqBodyRead implements edge1.Host.
func (b *border) ReqBodyRead(req uint32, buf []byte) uint64 {
	switch {
	case !b.open(req):
		return closed()
	case len(buf) == 0:
		return abi.Result(abi.Invalid, 0)
	case b.req.Body == nil:
		return ok(0)
	}
	for {
		n, err := b.req.Body.Read(buf)
		switch {
		case n > 0:
			return ok(uint32(n))
		case errors.Is(err, io.EOF):
			return ok(0)
		case err != nil:
			return b.fail(err)
		}
	}
}

// decide makes d the decision, unless there is one.
func (b *border) decide(req uint32, d abi.Decision) uint64 {
	if !b.open(req) {
		return closed()
	}
	if b.event != nil {
		return b.fail(abi.Errorf(abi.CodeInvalidRequest, "an event is no request: there is nothing to decide"))
	}
	if b.decided() {
		return abi.Result(abi.Already, 0)
	}
	b.result.Decision = d
	return ok(0)
}

func (b *border) decided() bool { return b.result.Decision != nil || b.result.failed != nil }

// answer reads what respond and respond_begin have in common.
func (b *border) answer(status uint32, headers []byte) (*abi.Respond, error) {
	if status < 200 || status > 599 {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "status %d is not between 200 and 599", status)
	}
	hs, err := abi.ParseHeaders(headers)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "headers: %v", err)
	}
	for _, h := range hs {
		switch strings.ToLower(h.Name) {
		case "content-length", "transfer-encoding", "connection", "upgrade", "trailer":
			return nil, abi.Errorf(abi.CodeInvalidRequest, "header %q is the edge's own", h.Name)
		}
		if h.Name == "" || strings.ContainsAny(h.Name, " \t\r\n\x00:") || strings.ContainsAny(h.Value, "\r\n\x00") {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "header %q cannot be sent", h.Name)
		}
	}
	return &abi.Respond{Status: int(status), Headers: hs}, nil
}

// Respond implements edge1.Host.
func (b *border) Respond(req, status uint32, headers, body []byte) uint64 {
	d, err := b.answer(status, headers)
	if err != nil {
		return b.fail(err)
	}
	d.Body = bytes.Clone(body)
	return b.decide(req, d)
}

// RespondBegin implements edge1.Host.
func (b *border) RespondBegin(req, status uint32, headers []byte) uint64 {
	d, err := b.answer(status, headers)
	if err != nil {
		return b.fail(err)
	}
	result := b.decide(req, d)
	if errno, _ := abi.SplitResult(result); errno == abi.OK {
		b.stream = d
	}
	return result
}

// RespondWrite implements edge1.Host.
func (b *border) RespondWrite(req uint32, piece []byte) uint64 {
	if !b.open(req) || b.stream == nil || b.ended {
		return closed()
	}
	b.stream.Body = append(b.stream.Body, piece...)
	return ok(0)
}

// RespondEnd implements edge1.Host.
func (b *border) RespondEnd(req uint32) uint64 {
	if !b.open(req) || b.stream == nil || b.ended {
		return closed()
	}
	b.ended = true
	return ok(0)
}

// Fail implements edge1.Host.
func (b *border) Fail(req uint32, text []byte) uint64 {
	switch {
	case !b.open(req):
		return closed()
	case b.decided():
		return abi.Result(abi.Already, 0)
	}
	e, err := abi.ParseError(text)
	if err != nil {
		return b.fail(err)
	}
	b.result.failed = e
	return ok(0)
}

// Preview implements edge1.Host.
func (b *border) Preview(req uint32) uint64 {
	switch {
	case !b.open(req):
		return closed()
	case b.host.IsPreview != nil && b.host.IsPreview(b.req):
		return ok(1)
	}
	return ok(0)
}

// Next implements edge1.Host.
func (b *border) Next(req uint32) uint64 { return b.decide(req, &abi.Next{}) }
