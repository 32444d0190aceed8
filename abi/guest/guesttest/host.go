//go:build !wasip1

// Package guesttest plays the edge for a plugin under go test: no module is
// built, the handler runs natively. A test says what sandboxes answer, makes a
// request, and looks at the decision.
//
//	host := new(guesttest.Host)
//	guesttest.On(host, abi.StartProcess, func(c guesttest.Call, req *abi.StartProcessRequest) (*abi.Process, error) {
//		return &abi.Process{ID: req.ProcessID, Status: abi.StatusRunning}, nil
//	})
//	result := host.Do(guesttest.WebSocket("/ws/echo?id=one"))
//	connect := result.Decision.(*abi.Connect)
//
// The fake speaks the ABI of SPEC.md down to its bytes, so a test that passes
// here also proves that the plugin's calls are well formed. Nothing happens to a
// decision after it was made: that is the edge's part.
package guesttest

import (
	"strings"
	"time"

	"edge/abi"
	"edge/abi/guest"
	"edge/abi/guest/internal/edge1"
)

// Host is one fake edge with one instance of the plugin: edge_init runs before
// its first request. The zero value answers every operation with an error that
// names it. Hosts may be used by parallel tests, which then take turns; one Host
// is used by one goroutine.
type Host struct {
	// Handler is used instead of the one that the package under test gave to
	// guest.Handle.
	Handler guest.Handler
	// Config is the plugin's "config:"; values are what encoding/json accepts.
	Config map[string]any
	// OpenSocket answers wsOpen; nil refuses it. Script makes such a socket.
	OpenSocket func(ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error)
	// IsPreview tells whether a request is for a preview; nil is never.
	IsPreview func(req *abi.Request) bool
	// Binding tells whether a binding exists; nil is any.
	Binding func(name string) bool
	// Secrets are the plugin's "secrets:".
	Secrets map[string]string
	// Fetch answers fetch; nil refuses it as DENIED. A Body that is nil is empty.
	Fetch func(Fetch) (*guest.FetchResponse, error)
	// KV is the key-value store. The zero value is empty.
	KV KV
	// Now is the time; nil is time.Now.
	Now func() time.Time

	operations map[string]func(Call, any) (any, error)
	streams    map[string]func(Call, any) (abi.Socket, error)
	started    bool
	handles    uint32 // the last one given out
}

// Call is one operation that the plugin asked for.
type Call struct {
	Name    string
	Sandbox abi.SandboxRef
	// Request is a pointer to the row's request struct.
	Request any
}

// Line is one line that the plugin logged.
type Line struct {
	Level   guest.Level
	Message string
	// Fields are key, value, key, value.
	Fields []string
}

// Fetch is one HTTP request that the plugin made. Its headers are as it gave them.
type Fetch struct {
	Method, URL string
	Headers     []abi.Header
	Body        []byte
	Redirect    abi.Redirect
	Timeout     time.Duration
}

// Metric is one thing that the plugin counted or observed.
type Metric struct {
	Name string
	// Observed tells Observe from Count.
	Observed bool
	Value    float64
	// Labels are key, value, key, value.
	Labels []string
}

// Result is what the plugin did with one request.
type Result struct {
	// Decision is what it decided: *abi.Respond, *abi.Connect, *abi.Proxy, *abi.Plan
	// or *abi.Next; nil if it decided nothing or failed the request (Failed). The
	// body of a streamed answer is in Respond.Body.
	Decision abi.Decision
	// Broken is set when a streamed answer did not come to its end.
	Broken bool
	// Errno is what edge_request answered: OK, or what the edge would answer
	// with PLUGIN_FAILED.
	Errno abi.Errno
	// Request is the request with the plugin's edits.
	Request *abi.Request
	Calls   []Call
	Fetches []Fetch
	Metrics []Metric
	Logs    []Line

	failed *abi.Error
}

// Respond returns the decision as an answer that the plugin made, or nil if it
// is none. An error of the handler is none: Failed returns it.
func (r *Result) Respond() *abi.Respond {
	d, _ := r.Decision.(*abi.Respond)
	return d
}

// Failed returns the error that the request failed with, as the client reads it,
// or nil. The edge answers it with Code.Status, as a page or as JSON.
func (r *Result) Failed() *abi.Error { return r.failed }

// Operations returns the names of the operations asked for, in order.
func (r *Result) Operations() []string {
	names := make([]string, len(r.Calls))
	for i := range r.Calls {
		names[i] = r.Calls[i].Name
	}
	return names
}

// On makes f answer one operation of the table. An error of f that is no
// *abi.Error becomes INTERNAL, as at the edge.
func On[Req, Resp any](h *Host, op *abi.Operation[Req, Resp], f func(c Call, req *Req) (*Resp, error)) {
	if h.operations == nil {
		h.operations = map[string]func(Call, any) (any, error){}
	}
	h.operations[op.Name()] = func(c Call, req any) (any, error) { return f(c, req.(*Req)) }
}

// OnStream makes f begin one stream of the table; Script makes such a socket.
// Errors are as of On.
func OnStream[Req, Event any](h *Host, op *abi.StreamOperation[Req, Event], f func(c Call, req *Req) (abi.Socket, error)) {
	if h.streams == nil {
		h.streams = map[string]func(Call, any) (abi.Socket, error){}
	}
	h.streams[op.Name()] = func(c Call, req any) (abi.Socket, error) { return f(c, req.(*Req)) }
}

// Request returns a request with no body to the target (path and query) at the
// host "edge.test".
func Request(method, target string) *abi.Request {
	r := &abi.Request{
		Method: method, Scheme: "http", Host: "edge.test", RemoteAddr: "192.0.2.1:1234",
		Headers: []abi.Header{{Name: "Host", Value: "edge.test"}},
	}
	r.Path, r.Query, r.HasQuery = strings.Cut(target, "?")
	return r
}

// WebSocket returns a WebSocket handshake to the target.
func WebSocket(target string) *abi.Request {
	r := Request("GET", target)
	r.Headers = append(r.Headers,
		abi.Header{Name: "Upgrade", Value: "websocket"}, abi.Header{Name: "Connection", Value: "Upgrade"},
		abi.Header{Name: "Sec-WebSocket-Version", Value: "13"}, abi.Header{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="})
	return r
}

// Do runs the plugin on one request, after edge_init if it is the first. The
// request belongs to the result afterwards.
func (h *Host) Do(req *abi.Request) *Result {
	result := &Result{Request: req}
	h.bind(result, func(b *border) {
		if !h.started {
			if result.Errno = abi.Errno(edge1.Init()); result.Errno != abi.OK {
				return
			}
			h.started = true
		}
		b.begin(req)
		result.Errno = abi.Errno(-edge1.Request(b.handle))
		b.end()
	})
	return result
}

// Tell tells the plugin's hook of a sandbox's event, after edge_init if that has
// not run. Errno is UNSUPPORTED if the plugin has no hook.
func (h *Host) Tell(ev abi.SandboxEvent) *Result {
	result := new(Result)
	h.bind(result, func(b *border) {
		if !h.started {
			if result.Errno = abi.Errno(edge1.Init()); result.Errno != abi.OK {
				return
			}
			h.started = true
		}
		b.begin(new(abi.Request))
		b.event = &ev
		result.Errno = abi.Errno(edge1.Event(b.handle))
		b.end()
	})
	return result
}

// SelfTest runs the plugin's self-tests, as the edge does before a version
// serves.
func (h *Host) SelfTest() *Result {
	result := new(Result)
	h.bind(result, func(*border) { result.Errno = abi.Errno(edge1.SelfTest()) })
	return result
}

func (h *Host) bind(result *Result, f func(*border)) {
	b := &border{host: h, result: result}
	edge1.Bind(b, func() {
		if h.Handler != nil {
			guest.Handle(h.Handler) // Bind puts the package's own back
		}
		f(b)
	})
}
