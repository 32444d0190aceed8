package replay

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"edge/abi"
	"edge/plugins"
)

const (
	// maxPiece bounds each body, request of a call and answer that a line keeps.
	maxPiece = 64 << 10
	// maxCalls bounds the calls of a line.
	maxCalls = 256
	// maxLine bounds a line that is read, in bytes.
	maxLine = 64 << 20
)

// Line is one line of a recording: a request that was decided; the settings of the
// plugin, before the first request that was decided under them; or how many
// requests are missing here.
type Line struct {
	Time   time.Time `json:"time"`
	Plugin string    `json:"plugin,omitempty"`
	Digest string    `json:"digest,omitempty"` // SHA-256 of the module, hexadecimal

	Settings *Settings `json:"settings,omitempty"`
	Dropped  int       `json:"dropped,omitempty"`

	Request *Request `json:"request,omitempty"`
	// Edited is the request's method, URL and headers as the plugin left them, if it
	// changed them and the request goes on.
	Edited *Request `json:"edited,omitempty"`
	// Calls are what the plugin asked the host for, in that order; More were not
	// kept.
	Calls []Call `json:"calls,omitempty"`
	More  int    `json:"more,omitempty"`
	// Body is that of the answer, if it has at most 64 KiB and is not streamed.
	Body        Text             `json:"body,omitempty"`
	Explanation *abi.Explanation `json:"explanation,omitempty"`
	// Undecided is the error that ended the request before its plugin decided: the
	// deadline, a client that left, an edge that was busy.
	Undecided abi.Code `json:"undecided,omitempty"`
}

// Settings is what a plugin's decisions depend on besides requests and answers.
type Settings struct {
	Async  bool                       `json:"async,omitempty"`
	Config map[string]json.RawMessage `json:"config,omitempty"`
	// Secrets are placeholders unless the recording keeps secrets.
	Secrets map[string]string `json:"secrets,omitempty"`
	Grants  *plugins.Grants   `json:"grants,omitempty"`
	// Bindings are the names in its environment.
	Bindings plugins.Bindings `json:"bindings,omitzero"`
}

// Request is an HTTP request as a plugin sees it.
type Request struct {
	ID     string `json:"id,omitempty"`
	Method string `json:"method"`
	// URL is scheme://host/path?query, all as sent.
	URL string `json:"url"`
	// Path is the path where a URL has no room for it: "*" of OPTIONS.
	Path       string  `json:"path,omitempty"`
	RemoteAddr string  `json:"remoteAddr,omitempty"`
	Headers    Headers `json:"headers,omitempty"`
	// Body is what was read of the body; Unread, that there may be more of it.
	Body   Text `json:"body,omitempty"`
	Unread bool `json:"unread,omitempty"`
	// ContentLength is the body's size if the client told; -1: it did not.
	ContentLength int64 `json:"contentLength,omitempty"`
}

// requestOf is a request without its body.
func requestOf(r *abi.Request) *Request {
	q := &Request{
		ID: r.ID, Method: r.Method, URL: r.Scheme + "://" + r.Host, RemoteAddr: r.RemoteAddr,
		Headers: slices.Clone(r.Headers), ContentLength: r.ContentLength,
	}
	if strings.HasPrefix(r.Path, "/") {
		q.URL += r.Path
	} else {
		q.Path = r.Path
	}
	if r.HasQuery {
		q.URL += "?" + r.Query
	}
	return q
}

// request is the request as a plugin gets it, with its body's reader.
func (q *Request) request() (*abi.Request, *body) {
	r := &abi.Request{
		ID: q.ID, Method: q.Method, RemoteAddr: q.RemoteAddr,
		Headers: slices.Clone(q.Headers), ContentLength: q.ContentLength,
	}
	rest := q.URL
	var found bool
	if r.Scheme, rest, found = strings.Cut(rest, "://"); !found {
		r.Scheme, rest = "http", q.URL
	}
	rest, r.Query, r.HasQuery = strings.Cut(rest, "?")
	r.Host = rest
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		r.Host, r.Path = rest[:i], rest[i:]
	}
	if q.Path != "" {
		r.Path = q.Path
	} else if r.Path == "" {
		r.Path = "/"
	}
	b := &body{left: q.Body, unread: q.Unread}
	if len(q.Body) > 0 || q.Unread {
		r.Body = b
	}
	return r, b
}

// body is a request's body as far as it was recorded. One goroutine reads it at a
// time, and what it found is looked at when the request is over.
type body struct {
	left   []byte
	unread bool
	short  bool // somebody wanted more than there is
}

// errUnread is what reading on gets where a recording has no more.
var errUnread = errors.New("the recording has no more of the body")

func (b *body) Read(p []byte) (int, error) {
	switch {
	case len(b.left) > 0:
		n := copy(p, b.left)
		b.left = b.left[n:]
		return n, nil
	case b.unread:
		b.short = true
		return 0, errUnread
	}
	return 0, io.EOF
}

// Call is one piece of work that a plugin asked the host for, and its answer.
type Call struct {
	// Name is an operation's, or "fetch", "kv.get", "kv.set", "kv.delete",
	// "kv.list", "wsOpen", "wsURL", "preview".
	Name    string          `json:"name"`
	Request json.RawMessage `json:"request,omitempty"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	Error   *abi.Error      `json:"error,omitempty"`
	// Missing is why the answer is not here, if it is not.
	Missing string `json:"missing,omitempty"`
}

// key is what makes two calls the same.
func (c *Call) key() string { return c.Name + " " + canonical(c.Request) }
