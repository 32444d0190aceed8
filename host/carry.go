package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"edge/abi"
	"edge/bridge"
)

// carryOut does what a plugin decided. It is the only place that knows what the
// decisions mean. It reports false when the next plugin is to be asked.
func (x *exchange) carryOut(d abi.Decision) bool {
	switch d := d.(type) {
	case *abi.Respond:
		x.respond(d)
	case *abi.Connect:
		x.connect(d)
	case *abi.Proxy:
		x.proxy(d)
	case *abi.Next:
		return false
	case *abi.Plan:
		x.plan(d)
	default:
		x.fail(abi.Errorf(abi.CodePluginFailed, "plugin %q returned no decision", x.plugin))
	}
	return true
}

// target is where a request goes: a port of a sandbox, under a policy.
type target struct {
	ref    abi.SandboxRef
	port   int
	stream *abi.StreamCall // what there is instead of a port
	policy abi.Policy
	wake   abi.Wake
	// exposure is set for what comes through an exposure. Its server then sees
	// "localhost:port" as Host (see backendHead).
	exposure bool
	// ownName is set when that exposure was found by a host name that is its alone.
	ownName bool
	// maxConnections is the exposure's own bound; 0 is none.
	maxConnections int
	// live tells whether that exposure is still there; nil is always.
	live func() bool
	// path replaces the request's path; empty keeps it.
	path string
	// visit is what is changed of requests and answers on their way through an
	// exposure; nil of others.
	visit *visit
}

// aim notes where the request goes.
func (x *exchange) aim(t target) {
	x.target, x.place = t, place{t.ref.Binding, t.ref.ID, t.port, t.exposure}
}

// connect joins the client's WebSocket with a port or a stream.
func (x *exchange) connect(d *abi.Connect) {
	if !x.head.upgrade {
		x.fail(abi.Errorf(abi.CodeUpgradeRequired, "this address speaks WebSocket only").
			WithSuggestion("connect with a WebSocket client"))
		return
	}
	if d.Stream == nil || d.Port != 0 {
		if err := abi.CheckPort(d.Port); err != nil {
			x.fail(err)
			return
		}
	}
	x.relay(target{ref: d.Sandbox, port: d.Port, stream: d.Stream, policy: d.Policy, wake: d.Wake})
}

// proxy relays the request to a port, or, with port 0, by exposure.
func (x *exchange) proxy(d *abi.Proxy) {
	if d.Port == 0 {
		x.proxyByExposure(d)
		return
	}
	if err := abi.CheckPort(d.Port); err != nil {
		x.fail(err)
		return
	}
	x.relay(target{ref: d.Sandbox, port: d.Port, policy: d.Policy, wake: d.Wake})
}

// visitorCodes are the errors of waking a sandbox whose details and suggestion
// are meant for whoever asked. Those of all others tell of the sandbox's inside,
// such as what a process printed that a start waited for, and stay in the log.
var visitorCodes = []abi.Code{
	abi.CodeSandboxAsleep, abi.CodeSandboxLost, abi.CodePortNotListening, abi.CodeTooManyRequests, abi.CodeInvalidSandboxID, abi.CodeUnknownBinding,
}

// failStart answers that the sandbox cannot be reached.
func (x *exchange) failStart(err error) {
	if outOfDescriptors(err) {
		x.fail(x.withoutDescriptors(err))
		return
	}
	if x.fallBack() {
		return
	}
	e := abi.AsError(err)
	if (len(e.Details) > 0 || e.Suggestion != "") && x.told == nil && !slices.Contains(visitorCodes, e.Code) {
		x.s.Log.Warn("sandbox cannot be reached", "request", x.id, "error", e, "details", string(e.Details), "suggestion", e.Suggestion)
		outside := *e
		outside.Details, outside.Suggestion = nil, ""
		e = &outside
	}
	x.failInside(e)
}

// relay carries the request, or the WebSocket that it asks for, to its target.
func (x *exchange) relay(t target) {
	if box, err := x.admitTo(t); err != nil {
		x.fail(err)
	} else {
		x.carryTo(box, false)
	}
}

// admitTo returns the target's sandbox, once the request is admitted there. Nothing
// was done in its name.
func (x *exchange) admitTo(t target) (sandbox, error) {
	x.aim(t)
	if x.s.boxes == nil {
		return nil, abi.Errorf(abi.CodeRuntimeUnavailable, "this edge runs no sandboxes")
	}
	box, err := x.s.boxes.sandbox(t.ref)
	if err != nil {
		return nil, err
	}
	t.ref = box.Ref()
	x.aim(t)
	return box, x.admit()
}

// carryTo carries the request to its target's sandbox, which is woken first. rising
// tells that a server was started there which may not listen yet.
func (x *exchange) carryTo(box sandbox, rising bool) {
	d, err := x.wake(box)
	if err != nil {
		x.failStart(err)
		return
	}
	x.letSleep = d.letSleep // by the end of the exchange, whoever carries it
	defer d.release()
	d.live = x.target.live
	if err = x.carryOrAwait(d, rising); err == nil {
		return
	}
	if err = x.upstreamError(err, d); abi.AsError(err).Started != abi.StartedNo || !x.fallBack() {
		x.failInside(err)
	}
}

// carry hands the exchange to the bridge, which finishes it; after an error it
// is still ours and nothing was written.
func (x *exchange) carry(d *dialer) error {
	own := bridge.Owner{
		Binding: x.target.ref.Binding, ID: x.target.ref.ID, Generation: d.run.Generation, Port: x.target.port,
		Exposure: x.target.exposure, Plugin: x.plugin, Request: x.id,
	}
	if x.conn != nil && x.from.client != x.conn.peer {
		own.Client = net.TCPAddrFromAddrPort(x.from.client)
	}
	p := x.target.policy
	pol := bridge.Policy{
		IdleTimeout: p.IdleTimeout.D(), MaxDuration: p.MaxDuration.D(), MaxMessageBytes: p.MaxMessageBytes, MaxBytes: p.MaxBytes,
		MessagesPerSecond: p.MessagesPerSecond, PingInterval: p.PingInterval.D(),
	}
	up := bridge.Upstream{Dial: d.dial, Admit: d.admitted}
	if x.head.upgrade {
		return x.carryWebSocket(d, up, own, pol)
	}
	up.Key = upstreamKey(own)
	x.handed = true
	if err := x.s.carrier.HTTP(&x.ctx, x.rc, x.backendHead(), up, own, pol, x.finish); err != nil {
		x.handed = false
		return err
	}
	x.relayed = true
	return nil
}

// carryWebSocket is carry of a handshake. Of the exchange nothing is needed any
// more once the two ends are joined.
func (x *exchange) carryWebSocket(d *dialer, up bridge.Upstream, own bridge.Owner, pol bridge.Policy) error {
	x.webSocket = true
	var head *bridge.Head
	if x.target.stream != nil {
		head = x.streamHead()
		up.Dial = func(ctx context.Context) (net.Conn, error) { return x.dialStream(ctx, d) }
	} else {
		head = x.backendHead()
	}
	j := x.join()
	x.handed = true
	if err := x.s.carrier.WebSocket(&x.ctx, x.rc, head, up, own, pol, j.finish); err != nil {
		x.handed = false
		return err
	}
	x.relayed = true
	defer j.let() // whatever an observer does
	defer x.ctx.end()
	if x.bridged() {
		j.observeOpened()
	}
	return nil
}

// upstreamError says in the words of the API what went wrong between the edge
// and the sandbox's server. The cause itself goes to the log.
func (x *exchange) upstreamError(err error, d *dialer) error {
	if x.ctx.Err() != nil { // whatever came of that
		return x.ctx.Err()
	}
	if outOfDescriptors(err) {
		return x.withoutDescriptors(err)
	}
	var own *abi.Error
	if errors.As(err, &own) {
		return err
	}
	started := abi.StartedNo
	stage := bridge.StageDial
	timeout := false
	if ue, ok := errors.AsType[*bridge.UpstreamError](err); ok {
		stage, timeout = ue.Stage, ue.Timeout()
		if ue.Started {
			started = abi.StartedMaybe
		}
	}
	port, server := fmt.Sprintf("port %d", x.target.port), fmt.Sprintf("the server on port %d", x.target.port)
	if s := x.target.stream; s != nil {
		port, server = s.Name, s.Name
	}
	var e *abi.Error
	switch {
	case errors.Is(err, bridge.ErrClientGone):
		e = abi.Errorf(abi.CodeCanceled, "the client went away before it was answered")
	case errors.Is(err, bridge.ErrShutdown):
		e = abi.Errorf(abi.CodeRuntimeUnavailable, "the edge is shutting down")
	case errors.Is(err, bridge.ErrHead):
		e = abi.Errorf(abi.CodePluginFailed, "plugin %q edited the request into one that cannot be sent", x.plugin)
	case d.ended():
		e = abi.Errorf(abi.CodeSandboxExited, "the sandbox ended before its server answered")
	case errors.Is(err, bridge.ErrClosed) && d.admitted() != nil:
		return errNoPreview().WithStarted(started) // taken back meanwhile
	case errors.Is(err, bridge.ErrClosed):
		e = abi.Errorf(abi.CodeCanceled, "the connection to %s was closed by the edge", port)
	case timeout, errors.Is(err, bridge.ErrPolicy):
		e = abi.Errorf(abi.CodeTimeout, "%s did not answer in time", server)
	case stage == bridge.StageDial:
		e = abi.Errorf(abi.CodePortNotListening, "%s cannot be reached", port)
	case x.webSocket:
		e = abi.Errorf(abi.CodeUpgradeFailed, "%s did not complete the WebSocket handshake", server)
	default:
		e = abi.Errorf(abi.CodeBackendFailed, "%s broke off or gave no valid HTTP answer", server)
	}
	x.s.Log.Warn("upstream failed", "request", x.id, "sandbox", x.target.ref.ID, "port", x.target.port, "code", e.Code, "error", err)
	return e.WithStarted(started)
}

// withoutDescriptors is how the client is told that the edge could not connect for
// want of file descriptors. The log is told once for all whom that hits.
func (x *exchange) withoutDescriptors(err error) error {
	x.breach = breachDescriptors
	x.s.shortage.tell(x.s.Log, "a sandbox cannot be connected to", err)
	return errDescriptors()
}

// isRefused tells whether nobody listened on the port, so that nothing was sent.
func isRefused(err error) bool {
	return err != nil && (errors.Is(err, abi.CodePortNotListening.Err()) || errors.Is(err, syscall.ECONNREFUSED))
}

var (
	_ net.Conn      = (*clientConn)(nil)
	_ io.ReadCloser = (*answerStream)(nil)
)
