package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"edge/abi"
	"edge/plugins"
)

// response is an answer as the plugin gets it. left is called when its body is
// closed.
func (j *journey) response(ctx context.Context, a *http.Response, left func()) (*plugins.FetchResponse, error) {
	r := &plugins.FetchResponse{Status: a.StatusCode, URL: j.url.String()}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		if isHopByHop(name) {
			continue
		}
		for _, value := range a.Header[name] {
			r.Headers = append(r.Headers, abi.Header{Name: name, Value: value})
		}
	}
	if len(r.Headers) > abi.MaxHeaders {
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: %s answered with %d headers; %d are the most", hostOf(j.url), len(r.Headers), abi.MaxHeaders)
	}
	r.Body = &body{ctx: ctx, client: j.client, url: j.url, conn: a.Body, left: left}
	return r, nil
}

// isHopByHop tells the headers that belong to the connection (RFC 9110, section
// 7.6.1).
func isHopByHop(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// body is an answer's body, bounded.
type body struct {
	ctx    context.Context
	client *Client
	url    *url.URL
	conn   io.ReadCloser
	left   func()

	read   int64 // used by the one goroutine that reads
	once   sync.Once
	closed atomic.Bool
}

// Read reads what came, at most MaxBody in all.
func (b *body) Read(p []byte) (int, error) {
	if left := MaxBody - b.read; int64(len(p)) > left {
		p = p[:left+1] // one more tells a body of just that size from a longer one
	}
	n, err := b.conn.Read(p)
	if b.read += int64(n); b.read > MaxBody {
		return 0, abi.Errorf(abi.CodeBodyTooLarge, "fetch: the answer of %s is longer than %d bytes", hostOf(b.url), MaxBody)
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case b.closed.Load():
		return n, abi.Errorf(abi.CodeCanceled, "fetch: the answer was closed")
	}
	return n, b.client.failure(b.ctx, b.url, err)
}

// Close ends the answer; a second Close does nothing.
func (b *body) Close() (err error) {
	b.once.Do(func() {
		b.closed.Store(true)
		err = b.conn.Close()
		b.left()
	})
	return err
}

// failure is what went wrong with a hop, as the plugin may read it. What it says of
// the network beneath is for the log.
func (c *Client) failure(ctx context.Context, u *url.URL, err error) error {
	var said *abi.Error
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(ctx.Err(), context.Canceled):
		return abi.AsError(ctx.Err())
	}
	c.log().Debug("a plugin's fetch failed", "host", u.Host, "err", err)
	var timeout net.Error
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return abi.Errorf(abi.CodeTimeout, "fetch: %s did not answer in time", hostOf(u)).WithStarted(abi.StartedMaybe)
	}
	return abi.Errorf(abi.CodeFetchFailed, "fetch: %s: %s", hostOf(u), reason(err)).WithStarted(abi.StartedMaybe)
}

// reason says in a few words why a connection failed.
func reason(err error) string {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		unknown     x509.UnknownAuthorityError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such host"
	case errors.As(err, &dns):
		return "the host's name could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to that network"
	case errors.As(err, &certificate), errors.As(err, &unknown):
		return "its certificate is not to be trusted"
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke off"
	case strings.Contains(err.Error(), "server response headers exceeded"): // net/http has no name for it
		return "the head of its answer is too long"
	}
	return "it could not be asked"
}
