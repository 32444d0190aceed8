package guest

import (
	"encoding/binary"
	"errors"
	"io"
	"net/url"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Request is the request that the handler decides on. It reads through to the
// host, and remembers what it read of the fields. It ends when the handler returns; what was
// got from it before stays good.
type Request struct {
	handle uint32
	// over is set when the handler has returned, decided when the host has been
	// told a decision.
	over, decided bool
	// upgrade is what IsUpgrade found out; the headers it depends on cannot be
	// edited.
	upgrade answer

	url   *url.URL
	query url.Values
	body  bodyReader
}

// answer is to a question that may not have been asked yet.
type answer uint8

const (
	unasked answer = iota
	saidYes
	saidNo
)

// id returns the host's handle, or 0 when there is no request.
func (r *Request) id() uint32 {
	if r == nil {
		return 0
	}
	return r.handle
}

// Method returns the request's method, "GET".
func (r *Request) Method() string { return r.field(abi.FieldMethod) }

// Scheme returns "http" or "https".
func (r *Request) Scheme() string { return r.field(abi.FieldScheme) }

// Host returns the Host header as sent, port included.
func (r *Request) Host() string { return r.field(abi.FieldHost) }

// Path returns the path's bytes as sent, still percent-encoded.
func (r *Request) Path() string { return r.field(abi.FieldPath) }

// RawQuery returns what follows "?" as sent.
func (r *Request) RawQuery() string { return r.field(abi.FieldQuery) }

// RemoteAddr returns the client's "ip:port".
func (r *Request) RemoteAddr() string { return r.field(abi.FieldRemoteAddr) }

// ID returns what names the request in the edge's log.
func (r *Request) ID() string { return r.field(abi.FieldID) }

// URL returns the parsed URL; it is parsed at the first call and belongs to the
// request. A URL that cannot be parsed is INVALID_REQUEST.
func (r *Request) URL() (*url.URL, error) {
	if r.url == nil {
		u, err := url.Parse(r.field(abi.FieldURL))
		if err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "the request's URL cannot be parsed")
		}
		r.url = u
	}
	return r.url, nil
}

// Query returns the query's parameters, parsed at the first call; they belong to
// the request. Pairs that cannot be decoded are left out.
func (r *Request) Query() url.Values {
	if r.query == nil {
		// ParseQuery returns what it could decode together with its error.
		r.query, _ = url.ParseQuery(r.RawQuery())
	}
	return r.query
}

// Header returns the first value of the named header, or "". HeaderValues tells
// an empty header from none.
func (r *Request) Header(name string) string {
	list := r.values(name)
	v, _, _ := cutValue(list)
	return asText(v)
}

// HeaderValues returns every value of the named header in the order sent, nil if
// there is none.
func (r *Request) HeaderValues(name string) []string {
	list := r.values(name)
	var vs []string
	for len(list) > 0 {
		v, rest, ok := cutValue(list)
		if !ok {
			return nil
		}
		vs, list = append(vs, asText(v)), rest
	}
	return vs
}

// cutValue takes the first value off a value list (SPEC.md, section 4), whose bytes
// it shares; false if there is none.
func cutValue(list []byte) (value, rest []byte, ok bool) {
	if len(list) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(list))
	if list = list[4:]; n > uint64(len(list)) {
		return nil, nil, false
	}
	return list[:n], list[n:], true
}

// Headers returns all headers in the order sent, Host included.
func (r *Request) Headers() ([]Header, error) {
	b, errno := read(func(buf []byte) uint64 { return edge1.ReqHeaders(r.handle, buf) })
	if errno != abi.OK {
		return nil, meaning("headers", errno)
	}
	return abi.ParseHeaders(b)
}

// IsUpgrade tells whether the request asks for a WebSocket: "Upgrade: websocket"
// together with "Connection: upgrade".
func (r *Request) IsUpgrade() bool {
	if r.upgrade == unasked {
		r.upgrade = saidNo // most requests need one call to tell
		if r.hasToken("Upgrade", "websocket") && r.hasToken("Connection", "upgrade") {
			r.upgrade = saidYes
		}
	}
	return r.upgrade == saidYes
}

// IsPreview tells whether the request is for a preview: its host or path names an
// exposure, whether or not there is one. It decides nothing, other than ProxyToSandbox:
// a handler that guards its previews looks at who comes before it lets them through.
func (r *Request) IsPreview() bool {
	errno, yes := abi.SplitResult(edge1.Preview(r.handle))
	return errno == abi.OK && yes == 1
}

// hasToken tells whether a value of the named header, a list, holds token.
func (r *Request) hasToken(name, token string) bool {
	list := r.values(name)
	for {
		v, rest, ok := cutValue(list)
		if !ok {
			return false
		}
		if abi.HasToken(v, token) {
			return true
		}
		list = rest
	}
}

// SetMethod changes the method that the backend will be sent.
func (r *Request) SetMethod(method string) error { return r.setField(abi.FieldMethod, method) }

// SetPath changes the path that the backend will be sent; path is
// percent-encoded and begins with "/".
func (r *Request) SetPath(path string) error { return r.setField(abi.FieldPath, path) }

// SetRawQuery changes the query that the backend will be sent, without "?".
func (r *Request) SetRawQuery(query string) error { return r.setField(abi.FieldQuery, query) }

// SetHeader replaces every value of a header that the backend will be sent. Host
// and the headers of the connection itself are DENIED.
func (r *Request) SetHeader(name, value string) error {
	return r.edited("set header "+name, edge1.ReqHeaderSet(r.handle, name, value))
}

// AddHeader adds a value to a header that the backend will be sent; refused are
// the same as for SetHeader.
func (r *Request) AddHeader(name, value string) error {
	return r.edited("add header "+name, edge1.ReqHeaderAdd(r.handle, name, value))
}

// DelHeader removes every value of a header; refused are the same as for
// SetHeader.
func (r *Request) DelHeader(name string) error {
	return r.edited("delete header "+name, edge1.ReqHeaderDel(r.handle, name))
}

// Body returns the request's body. What is read from it is not sent to a
// backend.
func (r *Request) Body() io.Reader {
	r.body.handle = r.handle
	return &r.body
}

// ReadBody reads the whole body. One that is longer than limit bytes is
// BODY_TOO_LARGE.
func (r *Request) ReadBody(limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body(), limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the request's body is longer than %d bytes", limit)
	}
	return b, nil
}

// field reads one field and remembers it.
func (r *Request) field(n uint32) string {
	memo := &instance.fields
	if memo.known&(1<<n) != 0 && memo.of == r {
		return memo.values[n]
	}
	mem := memory()
	room := mem.room()
	result := edge1.ReqGet(r.handle, n, room)
	if result > uint64(len(room)) { // an error, or the text is longer
		room = make([]byte, resultSize(result))
		if result = edge1.ReqGet(r.handle, n, room); result > uint64(len(room)) {
			return ""
		}
		mem = new(texts)
	}
	value := asText(mem.take(room, int(result)))
	if memo.of == r {
		memo.values[n] = value
		memo.known |= 1 << n
	}
	return value
}

// values returns the values of the named header as a value list, whose bytes are the
// caller's; none if the host has none.
func (r *Request) values(name string) []byte {
	mem := memory()
	room := mem.room()
	result := edge1.ReqHeader(r.handle, name, room)
	if result <= uint64(len(room)) {
		return mem.take(room, int(result))
	}
	room = make([]byte, resultSize(result))
	if result = edge1.ReqHeader(r.handle, name, room); result > uint64(len(room)) {
		return nil
	}
	return room[:result]
}

// resultSize returns the length in a result, 0 if it is an error.
func resultSize(result uint64) int {
	if errno, n := abi.SplitResult(result); errno == abi.OK {
		return int(n)
	}
	return 0
}

func (r *Request) setField(n uint32, value string) error {
	if err := r.edited("edit the request", edge1.ReqSet(r.handle, n, value)); err != nil {
		return err
	}
	r.url, r.query = nil, nil
	instance.fields.known = 0
	return nil
}

func (r *Request) edited(what string, result uint64) error {
	if errno, _ := abi.SplitResult(result); errno != abi.OK {
		return failure(r.handle, what, errno)
	}
	return nil
}

// bodyReader reads the body in pieces as the host has them.
type bodyReader struct {
	handle uint32
	err    error // sticky
}

var errPiece = errors.New("the host returned more than was asked for")

// Read implements io.Reader. It blocks until there is a piece.
func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	errno, n := abi.SplitResult(edge1.ReqBodyRead(b.handle, p))
	switch {
	case errno != abi.OK:
		b.err = failure(b.handle, "read body", errno)
	case n == 0:
		b.err = io.EOF
	case int(n) > len(p):
		b.err = errPiece
	default:
		return int(n), nil
	}
	return 0, b.err
}
