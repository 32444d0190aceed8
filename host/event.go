package host

import (
	"time"

	"edge/abi"
	"edge/bridge"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventAnswered        EventKind = "answered"        // a request was answered to its end
	EventDecided         EventKind = "decided"         // a plugin was asked about a request
	EventWebSocketOpened EventKind = "websocketOpened" // client and sandbox are joined
	EventWebSocketClosed EventKind = "websocketClosed"
	EventAcceptPaused    EventKind = "acceptPaused" // for Duration; out of descriptors, most likely
)

// Via says by which door a request went.
type Via string

// The doors of the edge.
const (
	ViaEdge    Via = "edge"    // the edge answered by itself
	ViaPlugin  Via = "plugin"  // the plugins of a route were asked
	ViaPreview Via = "preview" // an address in preview form, which asks no plugin
	ViaRefused Via = "refused" // the gate did not let it in
)

// Verdict is how a plugin that was asked about a request decided.
type Verdict string

// The verdicts: the decisions of the ABI, and none.
const (
	VerdictRespond  Verdict = "respond"
	VerdictConnect  Verdict = "connect"
	VerdictProxy    Verdict = "proxy"
	VerdictNext     Verdict = "next"
	VerdictPlan     Verdict = "plan"
	VerdictFailed   Verdict = "failed"   // no decision: the plugin is broken, or out of its limits
	VerdictCanceled Verdict = "canceled" // the client did not wait for it
)

// Event is one thing that happened to a request, for a person who watches and
// for counting. It holds no secret: a preview's token is left out of Host and
// Path, and there is no query.
type Event struct {
	Kind               EventKind
	Request            string // its id
	Method, Host, Path string
	Via                Via
	Status             int
	Code               abi.Code // of the answer, if that is an error of the edge's
	Plugin             string   // who decided, if anybody
	Verdict            Verdict  // of EventDecided
	Sandbox            abi.SandboxRef
	Port               int
	Preview            bool // through an exposure
	BytesIn, BytesOut  int64
	Messages           int64 // both ways
	Duration           time.Duration
	Close              string // how a WebSocket ended; see bridge.Summary
	// Breach names the bound of a policy that was passed, or the rule that
	// refused the request; empty if none did.
	Breach string
}

// observe tells of the request's end.
func (r *record) observe(sum bridge.Summary) {
	if r.s.Observe == nil {
		return
	}
	kind := EventAnswered
	if r.webSocket && sum.Status == 101 {
		kind = EventWebSocketClosed
	}
	r.s.Observe(r.event(kind, sum))
}

// observeOpened tells that client and sandbox are joined.
func (r *record) observeOpened() {
	if r.s.Observe != nil {
		r.s.Observe(r.event(EventWebSocketOpened, bridge.Summary{Status: 101, Duration: time.Since(r.start)}))
	}
}

func (r *record) event(kind EventKind, sum bridge.Summary) Event {
	return Event{
		Kind: kind, Request: r.id, Method: r.method, Host: r.host, Path: r.path, Via: or(r.via, ViaEdge),
		Status: sum.Status, Code: abi.Code(r.failure), Plugin: r.plugin,
		Sandbox: abi.SandboxRef{Binding: r.place.binding, ID: r.place.id}, Port: r.place.port, Preview: r.place.exposure,
		BytesIn: sum.BytesIn, BytesOut: sum.BytesOut, Messages: sum.MessagesIn + sum.MessagesOut,
		Duration: sum.Duration, Close: sum.Close, Breach: or(r.breach, string(sum.Breach)),
	}
}

// observeDecision tells what a plugin said.
func (x *exchange) observeDecision(plugin string, d abi.Decision, err error, asked time.Time) {
	if x.s.Observe == nil {
		return
	}
	x.s.Observe(Event{
		Kind: EventDecided, Request: x.id, Method: x.method, Host: x.host, Path: x.path, Via: ViaPlugin,
		Plugin: plugin, Verdict: x.verdict(d, err), Duration: time.Since(asked),
	})
}

func (x *exchange) verdict(d abi.Decision, err error) Verdict {
	switch d.(type) {
	case *abi.Respond:
		return VerdictRespond
	case *abi.Connect:
		return VerdictConnect
	case *abi.Proxy:
		return VerdictProxy
	case *abi.Next:
		return VerdictNext
	case *abi.Plan:
		return VerdictPlan
	}
	if err != nil && x.ctx.Err() != nil {
		return VerdictCanceled
	}
	return VerdictFailed
}

// observePause tells that no connection is accepted for a while.
func (s *Server) observePause(d time.Duration) {
	if s.Observe != nil {
		s.Observe(Event{Kind: EventAcceptPaused, Duration: d})
	}
}
