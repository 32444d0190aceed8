package guest

import (
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"slices"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Request is the request that the handler decides on. It reads through to the
// host, and remembers what it read. It ends when the handler returns; what was
// got from it before stays good.
type Request struct {
	handle uint32
	// over is set when the handler has returned, decided when the host has been
	// told a decision.
	over, decided bool
	// upgrade is what IsUpgrade found out; the headers it depends on cannot be
	// edited.
	upgrade answer

	fields []fieldValue // those that were read
	url    *url.URL
	query  url.Values
	body   bodyReader
}

// answer is to a question that may not have been asked yet.
type answer uint8

const (
	unasked answer = iota
	saidYes
	saidNo
)

// fieldValue is a field that was read.
type fieldValue struct {
	field uint32
	value string
}

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
	if vs := r.HeaderValues(name); len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// HeaderValues returns every value of the named header in the order sent, nil if
// there is none.
func (r *Request) HeaderValues(name string) []string {
	var small [256]byte
	b := small[:]
	errno, n := abi.SplitResult(edge1.ReqHeader(r.handle, name, b))
	if int(n) > len(b) && errno == abi.OK {
		b = make([]byte, n)
		errno, n = abi.SplitResult(edge1.ReqHeader(r.handle, name, b))
	}
	if errno != abi.OK || int(n) > len(b) {
		return nil
	}
	vs, err := abi.ParseValues(b[:n])
	if err != nil {
		return nil
	}
	return vs
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

// hasToken tells whether a value of the named header, a list, holds token. The
// values it looks at are nearly always short, and then nothing is allocated.
func (r *Request) hasToken(name, token string) bool {
	var small [64]byte
	errno, n := abi.SplitResult(edge1.ReqHeader(r.handle, name, small[:]))
	switch {
	case errno != abi.OK:
		return false
	case int(n) > len(small):
		return slices.ContainsFunc(r.HeaderValues(name), func(v string) bool { return abi.HasToken(v, token) })
	}
	for list := small[:n]; len(list) >= 4; { // as abi.ParseValues
		size := binary.LittleEndian.Uint32(list)
		if list = list[4:]; uint64(size) > uint64(len(list)) {
			break
		}
		if abi.HasToken(list[:size], token) {
			return true
		}
		list = list[size:]
	}
	return false
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
	for i := range r.fields {
		if r.fields[i].field == n {
			return r.fields[i].value
		}
	}
	var small [256]byte
	b := small[:]
	errno, size := abi.SplitResult(edge1.ReqGet(r.handle, n, b))
	if int(size) > len(b) && errno == abi.OK {
		b = make([]byte, size)
		errno, size = abi.SplitResult(edge1.ReqGet(r.handle, n, b))
	}
	if errno != abi.OK || int(size) > len(b) {
		return ""
	}
	value := string(b[:size])
	r.fields = append(r.fields, fieldValue{n, value})
	return value
}

func (r *Request) setField(n uint32, value string) error {
	if err := r.edited("edit the request", edge1.ReqSet(r.handle, n, value)); err != nil {
		return err
	}
	r.fields, r.url, r.query = nil, nil, nil
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
