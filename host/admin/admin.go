// Package admin is the edge's HTTP API for programs and people who administer
// sandboxes: every operation of the table (package abi), what there is, what
// happens, and a description of all that as OpenAPI.
//
// The flow of a request: admission (who asks, and did a browser send it on
// somebody else's behalf?), the address (which binding, id and operation), and
// then the kind of the operation's row decides how it is carried: a call is
// JSON for JSON; events are server-sent events; a download is the answer's
// body, an upload the request's; and every stream can be a WebSocket. No
// operation has code of its own here. API.md is the guide for callers.
//
// The server listens apart from the public one, on loopback with a token or on a
// Unix socket whose peer the kernel names.
package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"edge/abi"
	"edge/sandboxmgr"
)

// Operations carries operations out; host.Operations does.
type Operations interface {
	// Operate carries out one that answers once. The body holds "sandbox" and
	// the row's own fields.
	Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error)
	// Open begins one that is a stream. ctx bounds the opening alone; the
	// caller closes the socket.
	Open(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error)
}

// Sandboxes tells what there is; *sandboxmgr.Manager does.
type Sandboxes interface {
	// List returns every sandbox that is recorded, by name.
	List() []sandboxmgr.Status
	// Bindings returns the configured ones, with defaults filled in.
	Bindings() map[string]sandboxmgr.Binding
}

var _ Sandboxes = (*sandboxmgr.Manager)(nil)

// DefaultMaxStreams is how many streams a server carries at once.
const DefaultMaxStreams = 512

// Server is the admin API. Its fields are set before the first Serve and not
// changed after.
type Server struct {
	// Operations is required.
	Operations Operations
	// Sandboxes answers the lists; nil is none.
	Sandboxes Sandboxes
	// Token is what a client over TCP must show; LoadToken makes one.
	Token string
	// Hosts are names by which clients may call the server over TCP, besides
	// localhost and the address that they connected to.
	Hosts []string
	// Events is what GET /v1/events tells; nil is UNSUPPORTED.
	Events *Events
	// Connections are listed and closed under /v1/connections, Metrics are GET
	// /metrics; nil is UNSUPPORTED.
	Connections Connections
	Metrics     Metrics
	// Plugins are listed and changed under /v1/plugins; nil is UNSUPPORTED.
	Plugins Plugins
	// Doctor examines the machine for GET /v1/doctor; nil is UNSUPPORTED.
	Doctor func(ctx context.Context) ([]sandboxmgr.Finding, error)
	// Version is the edge's own.
	Version string
	// MaxStreams bounds the streams that are open at once, DefaultMaxStreams by
	// default; one more is TOO_MANY_REQUESTS.
	MaxStreams int
	// Log gets what goes wrong inside, AccessLog one line for each request, with
	// no token, query or body; nil discards.
	Log, AccessLog *slog.Logger

	once      sync.Once
	http      *http.Server
	ids       requestIDs
	resources []resource
	document  func() ([]byte, error)
	pace      pace  // defaultPace, except in tests
	maxModule int64 // MaxModuleBytes, except in tests
	// calm ends when Shutdown begins: streams without an end of their own end
	// with it. base ends when Shutdown gives up waiting: everything does.
	calm, base         context.Context
	becalm, cancelBase context.CancelCauseFunc
	streams            atomic.Int64
	bodies             *bodyPlaces
	changes            changes

	mu       sync.Mutex
	stopping bool           // no request begins any more
	serving  sync.WaitGroup // requests, hijacked connections included
}
