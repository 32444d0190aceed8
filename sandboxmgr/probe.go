package sandboxmgr

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"edge/abi"
)

// Bounds of one try.
const (
	dialTimeout = 2 * time.Second
	httpTimeout = 10 * time.Second // a development server compiles its first page
	maxHead     = 64 << 10         // bytes of an answer's head that are read
)

// outcome is what came of one try. Without any field set nothing listened.
type outcome struct {
	ready   bool
	refused bool // nothing listens
	status  int  // an HTTP status that does not count as ready
	garbled bool // it was reached, and did not answer as HTTP
}

// diagnosis says in one word why it was not ready.
func (o outcome) diagnosis() string {
	switch {
	case o.status != 0:
		return "wrong_status:" + strconv.Itoa(o.status)
	case o.garbled:
		return "not_http"
	}
	return abi.DiagnosisNotListening
}

// probe tries the port once.
func (g *generation) probe(ctx context.Context, w *portWait) outcome {
	dialling, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := g.dial(dialling, w.port)
	if err != nil {
		return outcome{refused: errors.Is(err, syscall.ECONNREFUSED)}
	}
	defer conn.Close()
	if w.http == nil {
		return outcome{ready: true}
	}
	// The deadline and the end of ctx both end a read that is under way.
	if err := conn.SetDeadline(time.Now().Add(httpTimeout)); err != nil {
		return outcome{garbled: true}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	status, err := w.http.ask(conn)
	switch {
	case err != nil:
		return outcome{garbled: true}
	case status < w.http.want.Min || status > w.http.want.Max:
		return outcome{status: status}
	}
	return outcome{ready: true}
}

// httpRequest is a GET whose status tells whether a server is ready.
type httpRequest struct {
	head []byte
	want abi.StatusRange
}

func newHTTPRequest(port int, path string, want *abi.StatusRange) (*httpRequest, error) {
	if path == "" {
		path = "/"
	}
	r := &httpRequest{want: abi.StatusRange{Min: 200, Max: 399}}
	if want != nil {
		r.want = *want
	}
	if r.want.Min < 100 || r.want.Max > 599 || r.want.Min > r.want.Max {
		return nil, invalid("status %d to %d: want a range within 100 to 599", r.want.Min, r.want.Max)
	}
	if path[0] != '/' || len(path) > abi.MaxPathBytes {
		return nil, invalid("path %.60q: want one that begins with \"/\", of at most %d bytes", path, abi.MaxPathBytes)
	}
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f {
			return nil, invalid("path %.60q holds a byte that must be percent-encoded", path)
		}
	}
	r.head = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nUser-Agent: edge-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n", path, port)
	return r, nil
}

// ask sends the request and returns the final status; informational ones before
// it are skipped (RFC 9110, section 15.2), except 101, which is final here.
func (r *httpRequest) ask(conn io.ReadWriter) (status int, err error) {
	if _, err := conn.Write(r.head); err != nil {
		return 0, err
	}
	br := bufio.NewReader(io.LimitReader(conn, maxHead))
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp.StatusCode, nil
		}
	}
}
