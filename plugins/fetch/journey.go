package fetch

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"edge/abi"
	"edge/plugins"
)

// journey is one fetch from hop to hop.
type journey struct {
	client  *Client
	request *plugins.FetchRequest
	outside *http.Transport

	url     *url.URL // of the hop that is made
	method  string
	headers []abi.Header
	data    []byte
	stream  io.ReadCloser // nil once it was sent, or is not to be
	sent    bool          // the stream was, and cannot be sent again
}

// maxDiscarded is what is read of a redirect's body so that its connection can be
// used again.
const maxDiscarded = 4 << 10

// travel makes hops until one of them is the answer.
func (j *journey) travel(ctx context.Context) (*http.Response, error) {
	r := j.request
	j.method, j.headers, j.data, j.stream = r.Method, r.Headers, r.Data, r.Stream
	defer func() { closeStream(&plugins.FetchRequest{Stream: j.stream}) }()
	var err error
	if j.url, err = url.Parse(r.URL); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: %.200q is no URL", r.URL)
	}
	for hops := 0; ; hops++ {
		answer, err := j.hop(ctx)
		if err != nil {
			return nil, err
		}
		to, err := j.next(answer)
		if err == nil && to != nil && hops == MaxRedirects {
			err = abi.Errorf(abi.CodeFetchFailed, "fetch: more than %d redirects, the last one to %s", MaxRedirects, to.Hostname())
		}
		if to == nil && err == nil {
			return answer, nil
		}
		_, _ = io.CopyN(io.Discard, answer.Body, maxDiscarded)
		_ = answer.Body.Close()
		if err != nil {
			return nil, err
		}
		j.redirect(answer.StatusCode, to)
	}
}

// hop sends the request to the URL, if the plugin may, or to its sandbox.
func (j *journey) hop(ctx context.Context) (*http.Response, error) {
	u := j.url
	if j.request.Port != 0 {
		return j.toSandbox(ctx)
	}
	if j.client.Inside != nil && j.client.Inside.Answers(u) {
		return j.send(ctx, j.client.inside, true)
	}
	if err := j.request.Allow(u.Scheme, u.Hostname(), portOf(u)); err != nil {
		return nil, err
	}
	return j.send(context.WithValue(ctx, guardKey{}, guard{u.Scheme, u.Hostname(), j.request.AllowAddr}), j.outside, false)
}

// send makes one hop over a transport; inside is one whose other end speaks no TLS.
func (j *journey) send(ctx context.Context, transport *http.Transport, inside bool) (*http.Response, error) {
	u := j.url
	req, err := j.newRequest(ctx, inside)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "fetch: the request cannot be sent: %v", err)
	}
	answer, err := transport.RoundTrip(req)
	switch {
	case err != nil:
		return nil, j.client.failure(ctx, u, err)
	case answer.StatusCode < 200 || answer.StatusCode > 599:
		_ = answer.Body.Close()
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: %s answered with the status %d", u.Hostname(), answer.StatusCode)
	}
	return answer, nil
}

// newRequest is the hop as net/http takes it. The stream is given away with it.
func (j *journey) newRequest(ctx context.Context, inside bool) (*http.Request, error) {
	var body io.Reader
	if len(j.data) > 0 {
		body = bytes.NewReader(j.data)
	}
	req, err := http.NewRequestWithContext(ctx, j.method, j.url.String(), body)
	if err != nil {
		return nil, err
	}
	if j.stream != nil {
		if size := j.request.Size; size != 0 {
			req.Body, req.ContentLength, j.stream, j.sent = j.stream, size, nil, true
		}
	}
	if inside {
		req.URL.Scheme = "http" // whoever ends TLS stands before the edge
	}
	for _, h := range j.headers {
		req.Header.Add(h.Name, h.Value)
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", userAgent)
	}
	return req, nil
}

// next returns where an answer sends the request, nil if it is the last one (RFC
// 9110, section 15.4).
func (j *journey) next(answer *http.Response) (*url.URL, error) {
	switch answer.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return nil, nil
	}
	location := answer.Header.Get("Location")
	if location == "" || j.request.Redirect == abi.RedirectManual {
		return nil, nil
	}
	to, err := j.url.Parse(location)
	switch {
	case j.request.Redirect == abi.RedirectError:
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: %s answered %d, a redirect", j.url.Hostname(), answer.StatusCode)
	case err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" || to.User != nil:
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: %s redirects to %.100q, which is no URL to follow", j.url.Hostname(), location)
	case j.sent && !j.becomesGet(answer.StatusCode):
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: %s redirects a body to %s that was sent already", j.url.Hostname(), to.Hostname()).
			WithSuggestion("fetch from there in the first place, or read the body and send its bytes")
	}
	if to.Fragment == "" {
		to.Fragment = j.url.Fragment // RFC 9110, section 10.2.2
	}
	return to, nil
}

// becomesGet tells whether a redirect asks for something else than the same request
// again (RFC 9110, sections 15.4.2 to 15.4.4).
func (j *journey) becomesGet(status int) bool {
	return status == 303 && j.method != "HEAD" || (status == 301 || status == 302) && j.method == "POST"
}

// redirect makes the next hop of the request. Credentials do not go to another
// origin, and a body only where the status asks for the same request again.
func (j *journey) redirect(status int, to *url.URL) {
	toGet := j.becomesGet(status)
	sameOrigin := to.Scheme == j.url.Scheme && strings.EqualFold(to.Host, j.url.Host)
	var kept []abi.Header
	for _, h := range j.headers {
		switch name := strings.ToLower(h.Name); {
		case !sameOrigin && (name == "authorization" || name == "cookie" || name == "cookie2" || name == "www-authenticate"):
		case toGet && strings.HasPrefix(name, "content-"):
		default:
			kept = append(kept, h)
		}
	}
	if toGet {
		j.method, j.data, j.sent = "GET", nil, false
	}
	j.headers, j.url = kept, to
}

// portOf is the port that a URL leads to, 0 if there is no such port.
func portOf(u *url.URL) int {
	switch {
	case u.Port() != "":
		n, _ := strconv.ParseUint(u.Port(), 10, 16)
		return int(n)
	case u.Scheme == "http":
		return 80
	}
	return 443
}

// hostOf is how a URL's host stands in a message.
func hostOf(u *url.URL) string {
	if u.Port() == "" {
		return u.Hostname()
	}
	return net.JoinHostPort(u.Hostname(), u.Port())
}
