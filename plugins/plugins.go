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
	"net/url"

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
	URLs    URLSockets
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

// services is where a host call that names no request goes: to those of the request
// that the guest works on, so that a trial or a recording has it too.
func (in *instance) services() *Services {
	if x := in.stint.x; x != nil {
		return x.services()
	}
	return in.gen.services()
}

// services is what the registry's plugins reach.
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
	// FETCH_FAILED, TIMEOUT, CANCELED.
	Fetch(ctx context.Context, req FetchRequest) (*FetchResponse, error)
}

// URLSockets opens WebSockets to URLs with a plugin as client.
type URLSockets interface {
	// OpenURL does the handshake; ctx bounds it. The caller closes the socket. Errors
	// are those of Fetcher, and UPGRADE_FAILED.
	OpenURL(ctx context.Context, r SocketRequest) (abi.Socket, error)
}

// SocketRequest is one WebSocket of a plugin to somewhere else. It was checked
// (abi.CheckWebSocketURL).
type SocketRequest struct {
	Plugin  string
	URL     *url.URL // of http or https
	Options abi.WebSocketURLOptions
	// Allow and AllowAddr are as of FetchRequest.
	Allow     func(scheme, host string, port int) error
	AllowAddr func(scheme string, at netip.AddrPort) bool
}

// FetchRequest is one request of a plugin to somewhere else. It was checked
// (abi.FetchRequest.Check).
type FetchRequest struct {
	// Plugin is who asks: connections are not shared between plugins.
	Plugin   string
	Method   string
	URL      string
	Headers  []abi.Header
	Redirect abi.Redirect
	// Data is the body, unless Stream is given: Size bytes of that or, with -1, all
	// there are. The Fetcher closes Stream in every case, after Fetch returned if
	// the answer came before all of it was sent; it cannot be sent twice.
	Data   []byte
	Stream io.ReadCloser
	Size   int64
	// Allow tells whether the plugin may reach a host, a name or an address, and is
	// asked before each hop: nil, or DENIED.
	Allow func(scheme, host string, port int) error
	// AllowAddr tells whether an address that no name may lead to (loopback,
	// link-local and the like) was granted as that very address.
	AllowAddr func(scheme string, at netip.AddrPort) bool
	// Sandbox, with Port, is where the request goes; then nobody is asked, and there is
	// one hop. Port 0: it goes where the URL says.
	Sandbox abi.SandboxRef
	Port    int
}

// FetchResponse is an answer as it came; Body is not decoded. A Read of Body fails
// with an *abi.Error: FETCH_FAILED, TIMEOUT, CANCELED, BODY_TOO_LARGE.
type FetchResponse struct {
	Status  int
	URL     string // of the last hop
	Headers []abi.Header
	Body    io.ReadCloser
}

// KV keeps small values by key, apart for each namespace. What it is given was
// checked (abi.CheckKVKey and so on). Errors are *abi.Error.
type KV interface {
	// Get returns a key's value, or NOT_FOUND.
	Get(ctx context.Context, namespace, key string) (KVValue, error)
	// Set stores a value and returns its revision once it is on disk. CONFLICT,
	// with abi.KVConflict as details, if the options' revision is not the key's;
	// QUOTA_EXCEEDED if the namespace is full.
	Set(ctx context.Context, namespace, key string, value []byte, opts abi.KVSetOptions) (revision uint64, err error)
	// Delete removes a key; one that is not there is no error, but for CONFLICT
	// as of Set.
	Delete(ctx context.Context, namespace, key string, opts abi.KVDeleteOptions) error
	// List returns the keys with a prefix.
	List(ctx context.Context, namespace, prefix string, opts abi.KVListOptions) (abi.KVPage, error)
}

// KVValue is a value with the revision of its last change.
type KVValue struct {
	Value    []byte
	Revision uint64
}

// Metrics counts for plugins. Names and labels (key, value, key, value) were
// checked (abi.CheckMetric). Errors are INVALID_REQUEST for a name that is the
// other kind already, and QUOTA_EXCEEDED for more than
// abi.MaxMetricSeries of a plugin.
type Metrics interface {
	Count(plugin, name string, labels []string, value float64) error
	Observe(plugin, name string, labels []string, value float64) error
}
