package guest

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"strings"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// FetchOptions say what is sent, and how. The zero value is a GET.
type FetchOptions struct {
	Method  string
	Headers []Header
	// Body is sent, unless SendBody has the client's body sent, as it comes.
	Body     []byte
	SendBody bool
	// Timeout bounds all of it, the answer's body included; 30s by default.
	Timeout Duration
	// Redirect is RedirectFollow by default.
	Redirect Redirect
}

// FetchResponse is an answer. Its body is as it was sent: nothing is decompressed.
type FetchResponse struct {
	Status int
	// URL is where the answer came from, after redirects.
	URL     string
	Headers []Header
	// Body ends with the request; Close ends it before that. It holds 64 MiB at
	// most.
	Body io.ReadCloser
}

// Fetch makes an HTTP request to a host that the plugin was granted, and returns
// when the head of the answer is there. An answer of any status is one. Errors
// are DENIED for a host that was not granted, FETCH_FAILED and TIMEOUT. A URL of
// a preview of this edge needs no grant.
func Fetch(url string, opts ...FetchOptions) (*FetchResponse, error) {
	return instance.current.Fetch(url, opts...)
}

// Fetch is the function Fetch for this request.
func (r *Request) Fetch(url string, opts ...FetchOptions) (*FetchResponse, error) {
	if r == nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: no request is being handled; it is done from the handler")
	}
	o := last(opts)
	asked := abi.FetchRequest{Method: o.Method, URL: url, Timeout: o.Timeout, Redirect: o.Redirect}
	if o.SendBody {
		asked.Body = abi.FetchBodyRequest
	}
	for _, h := range o.Headers {
		asked.Headers = append(asked.Headers, [2]string{h.Name, h.Value})
	}
	text, err := json.Marshal(&asked)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: %v", err)
	}
	errno, handle := abi.SplitResult(edge1.Fetch(r.handle, text, o.Body))
	if errno != abi.OK {
		return nil, failure(r.handle, "fetch", errno)
	}
	body := &fetchBody{req: r, fetch: handle}
	answer, err := body.head()
	if err != nil {
		_ = body.Close() // it says nothing that err does not
		return nil, err
	}
	return answer, nil
}

// Header returns the first value of the named header, or "".
func (a *FetchResponse) Header(name string) string {
	for _, h := range a.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// ReadBody reads the whole body and closes it. One that is longer than limit bytes
// is BODY_TOO_LARGE.
func (a *FetchResponse) ReadBody(limit int64) ([]byte, error) {
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the answer of %s is longer than %d bytes", a.URL, limit)
	}
	return b, nil
}

// fetchBody is the body of an answer.
type fetchBody struct {
	req   *Request
	fetch uint32
	err   error // sticky
}

// head reads the answer's head.
func (b *fetchBody) head() (*FetchResponse, error) {
	text, errno := read(func(buf []byte) uint64 { return edge1.FetchHead(b.req.handle, b.fetch, buf) })
	if errno != abi.OK {
		return nil, failure(b.req.handle, "fetch", errno)
	}
	unreadable := func() error { return meaning("fetch", abi.Internal) }
	if len(text) < 8 {
		return nil, unreadable()
	}
	status, n := binary.LittleEndian.Uint32(text), binary.LittleEndian.Uint32(text[4:])
	text = text[8:]
	if uint64(n) > uint64(len(text)) {
		return nil, unreadable()
	}
	headers, err := abi.ParseHeaders(text[n:])
	if err != nil {
		return nil, unreadable()
	}
	return &FetchResponse{Status: int(status), URL: string(text[:n]), Headers: headers, Body: b}, nil
}

// Read implements io.Reader. It blocks until there is a piece.
func (b *fetchBody) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	errno, n := abi.SplitResult(edge1.FetchRead(b.req.handle, b.fetch, p))
	switch {
	case errno == abi.Closed:
		b.err = meaning("read fetch", errno)
	case errno != abi.OK:
		b.err = failure(b.req.handle, "read fetch", errno)
	case n == 0:
		b.err = io.EOF
	case int(n) > len(p):
		b.err = errPiece
	default:
		return int(n), nil
	}
	return 0, b.err
}

// Close ends the answer. Closing what has ended is no error.
func (b *fetchBody) Close() error {
	edge1.FetchClose(b.req.handle, b.fetch)
	if b.err == nil {
		b.err = meaning("read fetch", abi.Closed)
	}
	return nil
}
