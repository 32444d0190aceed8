// Package plugins runs routing code: WebAssembly modules that decide what to do
// with a request. It loads them as generations, keeps bounded pools of
// instances, and replaces a generation under load without losing a request.
//
// It is the only package that knows wazero. What a plugin may ask for is given
// to it through small interfaces (Services); it knows neither sandboxes, nor the
// server, nor the network.
package plugins

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"edge/abi"
)

// Services is what a guest reaches beyond its own request. A nil one is not
// there: the functions that need it answer UNSUPPORTED.
type Services struct {
	Operations
	Streams
	Sockets
	Previews
	Fetcher Fetcher
	KV      KV
	Metrics Metrics
}

// services is where a request's host calls go.
func (x *exchange) services() *Services {
	if x.own != nil {
		return x.own
	}
	return x.gen.services()
}

// services is where a host call without a request goes.
func (g *generation) services() *Services { return &g.reg.config.Services }

// Operations carries out one operation of the table for a plugin. The body is
// the operation's JSON with its "sandbox" (abi.SplitCall reads it); the answer is
// the response's JSON. Errors are *abi.Error, or become INTERNAL.
type Operations interface {
	Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error)
}

// Streams begins one operation of the table that is a stream. ctx bounds the
// opening alone; whoever asked closes the socket. Body and errors are as of
// Operations.
type Streams interface {
	Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)
}

// Sockets opens a WebSocket to a port of a sandbox with the plugin as client.
type Sockets interface {
	OpenSocket(ctx context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error)
}

// Previews tells whether a request is for a preview: what proxy with port 0 asks
// before it makes a decision.
type Previews interface {
	// NamesPreview is true if the request's host or path is in preview form,
	// whether or not the exposure exists.
	NamesPreview(req *abi.Request) bool
}

// Fetcher makes outbound HTTP requests for plugins.
type Fetcher interface {
	// Fetch returns when the answer's head is there. ctx bounds the head and the
	// body; the caller closes the body. Errors are *abi.Error: DENIED,
	// FETCH_FAILED, TIMEOUT, INVALID_REQUEST.
	Fetch(ctx context.Context, req FetchRequest) (*FetchResponse, error)
}

// FetchRequest is one request of a plugin to somewhere else.
type FetchRequest struct {
	// Plugin is who asks: connections are not shared between plugins.
	Plugin  string
	Method  string
	URL     string
	Headers []abi.Header
	// Body is sent if it is not nil, Size bytes of it or, with -1, all there are.
	// The Fetcher reads it until Fetch returns and, while the answer comes early,
	// until the answer's body is closed.
	Body io.Reader
	Size int64
	// Redirect is RedirectFollow, RedirectManual or RedirectError.
	Redirect string
	// Allow tells whether the plugin may reach a host, which is asked before each
	// hop: nil, or DENIED.
	Allow func(scheme, host string, port int) error
	// AllowAddr tells whether an address that nobody may reach by a name (loopback,
	// link-local and the like) was granted to the plugin as that address.
	AllowAddr func(scheme string, addr netip.AddrPort) bool
}

// What becomes of an answer that sends the client elsewhere.
const (
	RedirectFollow = "follow" // up to 10 times
	RedirectManual = "manual" // it is the answer
	RedirectError  = "error"  // it is an error
)

// FetchResponse is an answer as it came; Body is not decoded.
type FetchResponse struct {
	Status  int
	URL     string // of the last hop
	Headers []abi.Header
	Body    io.ReadCloser
}

// KV keeps small values by key, apart for each namespace. Errors are *abi.Error.
type KV interface {
	// Get returns a key's value, or NOT_FOUND.
	Get(ctx context.Context, namespace, key string) (KVValue, error)
	// Set stores a value and returns its revision once it is on disk. CONFLICT,
	// with details {"revision"}, if the options' revision is not the key's;
	// QUOTA_EXCEEDED if the namespace is full.
	Set(ctx context.Context, namespace, key string, value []byte, opts KVSetOptions) (revision uint64, err error)
	// Delete removes a key; one that is not there is no error, but for CONFLICT
	// as of Set. A nil ifRevision is any.
	Delete(ctx context.Context, namespace, key string, ifRevision *uint64) error
	// List returns the keys with a prefix that come after a key, in order; more is
	// true if limit cut the list short.
	List(ctx context.Context, namespace, prefix, after string, limit int) (entries []KVEntry, more bool, err error)
}

// KVValue is a value with the revision of its last change.
type KVValue struct {
	Value    []byte
	Revision uint64
}

// KVSetOptions say when a value is stored and for how long.
type KVSetOptions struct {
	// TTL is how long the value lives; 0 is for ever.
	TTL time.Duration
	// IfRevision is the revision that the key must have, 0 that it must not exist;
	// nil is any.
	IfRevision *uint64
}

// KVEntry is a key as List tells of it.
type KVEntry struct {
	Key       string    `json:"key"`
	Revision  uint64    `json:"revision"`
	Size      int       `json:"size"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Metrics counts for plugins. Labels are key, value, key, value. Names and labels
// are well formed; the errors are INVALID_REQUEST for a name that is the other
// kind already or has other labels, and QUOTA_EXCEEDED beyond the plugin's series.
type Metrics interface {
	Count(plugin, name string, labels []string, value float64) error
	Observe(plugin, name string, labels []string, value float64) error
}
