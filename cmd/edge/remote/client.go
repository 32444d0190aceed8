package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"edge/abi"
)

// maxAnswer bounds one JSON answer, in bytes: a readFile of 32 MiB whose every
// byte is escaped fits.
const maxAnswer = 6*abi.MaxFileResponse + 1<<20

// maxErrorText bounds what is read of an answer that is an error.
const maxErrorText = 256 << 10

// Client speaks to one edge's admin API. Its methods may be called at the same
// time.
type Client struct {
	address Address
	base    string
	http    http.Client

	// mu guards first, the connection that Dial probed with: the first request
	// takes it.
	mu    sync.Mutex
	first net.Conn
}

func newClient(a Address, first net.Conn) *Client {
	c := &Client{address: a, base: a.URL, first: first}
	if a.Socket != "" {
		c.base = "http://edge"
	}
	c.http = http.Client{
		Transport: &http.Transport{DialContext: c.dial, DisableCompression: true, IdleConnTimeout: time.Minute},
		// A redirection could take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes idle connections. Streams are their owners'.
func (c *Client) Close() {
	c.mu.Lock()
	if c.first != nil {
		c.first.Close()
		c.first = nil
	}
	c.mu.Unlock()
	c.http.CloseIdleConnections()
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c.mu.Lock()
	conn := c.first
	c.first = nil
	c.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	return c.address.dial(ctx)
}

// do sends one request and returns its answer, whose body the caller closes. A
// status other than 200 is an error: *abi.Error where the edge says which.
func (c *Client) do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	return c.send(ctx, method, path, header, body, -1)
}

// send is do for a body of a known size; -1 is the size that net/http finds.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	switch {
	case size > 0:
		req.ContentLength = size
	case size == 0:
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.address.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.address.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("the edge at %s does not answer: %w", c.address, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText))
	return nil, c.refusal(resp.StatusCode, text)
}

// refusal is the error of an answer that is none of success.
func (c *Client) refusal(status int, body []byte) error {
	var answer struct {
		Error *abi.Error `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Error != nil && answer.Error.Code != "" {
		if status == http.StatusUnauthorized {
			answer.Error.Suggestion = tokenHint
		}
		return answer.Error
	}
	if status == http.StatusUnauthorized {
		return abi.Errorf(abi.CodeDenied, "the edge at %s wants another token", c.address).WithSuggestion(tokenHint)
	}
	return fmt.Errorf("%s answers %d, which no edge's admin API does", c.address, status)
}

const tokenHint = "the token is in the file admin.token of the edge's state folder: name it with --token-file, or set EDGE_ADMIN_TOKEN"

// read has a path answered with JSON into answer, a pointer.
func (c *Client) read(ctx context.Context, path string, answer any) error {
	resp, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	return decode(resp, answer)
}

// print writes what a path answers, as it is but indented.
func (c *Client) print(ctx context.Context, path string, out io.Writer) error {
	var whole json.RawMessage
	if err := c.read(ctx, path, &whole); err != nil {
		return err
	}
	return writeJSON(out, whole)
}

// decode reads a JSON answer and closes its body.
func decode(resp *http.Response, answer any) error {
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the edge's answer broke off: %w", err)
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("the edge's answer is not understood: %w", err)
	}
	return nil
}

// Version returns what the edge says it is.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		Version string `json:"version"`
	}
	err := c.read(ctx, "/v1/version", &v)
	return oneLine(v.Version), err
}

// Finding is one thing that the edge found out about its machine.
type Finding struct{ Name, Level, Text, Mend string }

// Examined returns what the edge finds when it examines its machine.
func (c *Client) Examined(ctx context.Context) ([]Finding, error) {
	var answer struct{ Findings []Finding }
	err := c.read(ctx, "/v1/doctor", &answer)
	return answer.Findings, err
}

// Ref names a sandbox.
type Ref struct{ Binding, ID string }

func (r Ref) String() string { return r.Binding + "/" + r.ID }

func (r Ref) path(operation string) string {
	return "/v1/sandboxes/" + url.PathEscape(r.Binding) + "/" + url.PathEscape(r.ID) + "/" + operation
}

// Call carries out an operation that answers once.
func Call[Req, Resp any](ctx context.Context, c *Client, ref Ref, op *abi.Operation[Req, Resp], req *Req) (*Resp, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	raw, err := c.CallRaw(ctx, ref, op.Name(), body)
	if err != nil {
		return nil, err
	}
	resp := new(Resp)
	if err := json.Unmarshal(raw, resp); err != nil {
		return nil, fmt.Errorf("the edge's answer to %s is not understood: %w", op.Name(), err)
	}
	return resp, nil
}

// CallRaw is Call for JSON as it is.
func (c *Client) CallRaw(ctx context.Context, ref Ref, operation string, body []byte) (json.RawMessage, error) {
	resp, err := c.do(ctx, http.MethodPost, ref.path(operation), http.Header{"Content-Type": {jsonType}}, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := decode(resp, &raw); err != nil {
		return nil, err
	}
	return raw, nil
}

const jsonType = "application/json"

// post sends an operation's request, and returns the answer for its body to be
// read and closed.
func (c *Client) post(ctx context.Context, ref Ref, operation string, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, ref.path(operation), http.Header{"Content-Type": {jsonType}}, bytes.NewReader(body))
}
