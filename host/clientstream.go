package host

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"edge/abi"
	"edge/bridge"
)

// A client that a Connect gives a stream of its sandbox to, such as a terminal, is
// carried by the bridge as any other: there it is bounded by its policy, listed,
// closed and counted. Only what it is carried to is not a port. The edge itself is
// the server there, at the other end of a connection in memory, and passes messages
// on between that WebSocket and the stream, each when the one before was taken: who
// does not read holds up what he would read, and nothing waits here but what a socket
// keeps.

// streamOpening is how long a stream may take to open, in a sandbox that runs.
const streamOpening = 10 * time.Second

// Close codes of a client's stream (RFC 6455, section 7.4.1; 1012 is of IANA's list).
const (
	streamNormal   = 1000
	streamLeft     = 1001
	streamProtocol = 1002
	streamTooBig   = 1009
	streamFailed   = 1011
	streamRestart  = 1012
)

// openStream begins an operation that is a stream.
func (m managed) openStream(ctx context.Context, name string, body json.RawMessage) (abi.Socket, error) {
	return Operations{Sandboxes: m.Manager}.Open(ctx, name, body)
}

// streamHead is the handshake as the edge itself is sent it: nothing of a request
// counts there but what makes the WebSocket.
func (x *exchange) streamHead() *bridge.Head {
	h := &bridge.Head{Method: "GET", Target: "/", Headers: []bridge.Header{{Name: "Host", Value: "stream"}}}
	x.showRelayed(h)
	for _, hd := range x.req.Headers {
		for _, name := range [...]string{"Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol"} {
			if strings.EqualFold(hd.Name, name) {
				h.Headers = append(h.Headers, bridge.Header{Name: name, Value: hd.Value})
			}
		}
	}
	return h
}

// dialStream opens the stream, and connects with whoever serves it. The stream is of
// the dialer's run and of no other.
func (x *exchange) dialStream(ctx context.Context, d *dialer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, streamOpening)
	defer cancel()
	call := x.target.stream
	body, err := call.Call(x.target.ref)
	if err != nil {
		return nil, err
	}
	stream, err := x.s.boxes.openStream(ctx, call.Name, body)
	if err != nil {
		return nil, x.outsideStream(err, call.Name)
	}
	select {
	case <-d.run.Ended: // it may be of the run after
		_ = stream.Close(streamLeft, "")
		return nil, abi.Errorf(abi.CodeSandboxExited, "the sandbox ended before %s was opened", call.Name)
	default:
	}
	here, there := net.Pipe()
	c := &clientStream{s: x.s, name: call.Name, request: x.id, sandbox: x.target.ref.ID, ended: d.ended, stream: stream}
	base, stop := context.WithCancelCause(x.s.base)
	c.ctx, c.cancel = base, stop
	x.s.crew.all.Add(1)
	go c.serve(there)
	return &streamConn{Conn: here, gone: sync.OnceFunc(func() { stop(errClientLeft) })}, nil
}

// outsideStream is the error of a stream as whoever sent the request may know it. The
// log gets the rest.
func (x *exchange) outsideStream(err error, name string) error {
	if x.ctx.Err() != nil || outOfDescriptors(err) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return abi.Errorf(abi.CodeTimeout, "%s was not opened within %s", name, streamOpening).WithStarted(abi.StartedMaybe)
	}
	return x.s.outsideError(err, x.id, x.target.ref.ID, name)
}

// outsideError is an error of a stream without what tells of the sandbox's inside,
// which is logged.
func (s *Server) outsideError(err error, request, sandbox, name string) *abi.Error {
	known, ok := errors.AsType[*abi.Error](err)
	if !ok {
		s.Log.Error("stream failed", "request", request, "sandbox", sandbox, "operation", name, "error", err)
		return abi.Errorf(abi.CodeInternal, "%s failed; the edge's log has the details", name)
	}
	if len(known.Details) > 0 || known.Suggestion != "" {
		s.Log.Warn("stream failed", "request", request, "sandbox", sandbox, "operation", name, "error", err,
			"details", string(known.Details), "suggestion", known.Suggestion)
	}
	e := *known
	e.Details, e.Suggestion = nil, ""
	return &e
}

// streamConn is the bridge's end; closing it ends what is served at the other.
type streamConn struct {
	net.Conn
	gone func()
}

// Close closes the connection.
func (c *streamConn) Close() error {
	err := c.Conn.Close()
	c.gone()
	return err
}

// clientStream is one stream that a client was given. serve's goroutine, which the
// server's crew joins, passes on what the sandbox sends; relayInput what the client
// does.
type clientStream struct {
	s                      *Server
	name, request, sandbox string
	ended                  func() bool // whether the sandbox's run is over
	ctx                    context.Context
	cancel                 context.CancelCauseFunc
	stream                 abi.Socket
	client                 *bridge.Socket
}

// errClientLeft is the cause of a stream's end when nobody is there any more.
var errClientLeft = errors.New("the client has left")

// wrongInput is something that a client must not send.
type wrongInput struct {
	code   int
	reason string
}

// Error tells what.
func (e *wrongInput) Error() string { return e.reason }

// serve runs the stream from the handshake to the last message.
func (c *clientStream) serve(conn net.Conn) {
	defer c.s.crew.all.Done()
	defer c.cancel(errClientLeft)
	var err error
	if c.client, err = bridge.AcceptSocket(c.ctx, conn, bridge.SocketLimits{}); err != nil {
		_ = c.stream.Close(streamLeft, "")
		return
	}
	read := make(chan struct{})
	go c.relayInput(read)
	c.close(c.relayOutput())
	c.cancel(errClientLeft)
	_ = c.stream.Close(streamLeft, "")
	<-read
}

// relayOutput passes on what the sandbox sends, until the end of one of both.
func (c *clientStream) relayOutput() error {
	for {
		opcode, message, err := c.stream.Receive(c.ctx)
		if err != nil {
			return err
		}
		if err := c.client.Send(c.ctx, opcode, message); err != nil {
			c.cancel(errClientLeft)
			return err
		}
	}
}

// relayInput passes on what the client sends. Bytes go in pieces as small as streams
// take them.
func (c *clientStream) relayInput(done chan<- struct{}) {
	defer close(done)
	for {
		opcode, message, err := c.client.Receive(c.ctx)
		switch {
		case err != nil: // of a message that was too big the socket has told
			c.cancel(errClientLeft)
			return
		case opcode == abi.OpcodeText && len(message) > abi.MaxStreamText:
			c.cancel(&wrongInput{streamTooBig, "a text message is longer than the stream takes"})
			return
		}
		if !c.relayMessage(opcode, message) {
			return
		}
	}
}

// relayMessage passes one message on; false ends the input. That a stream has ended
// is relayOutput's to tell.
func (c *clientStream) relayMessage(opcode byte, message []byte) bool {
	for first := true; first || len(message) > 0; first = false {
		piece := message[:min(len(message), abi.MaxStreamBinary)]
		message = message[len(piece):]
		err := c.stream.Send(c.ctx, opcode, piece)
		if err == nil {
			continue
		}
		if e, ok := errors.AsType[*abi.Error](err); ok && e.Code == abi.CodeInvalidRequest && c.ctx.Err() == nil {
			c.cancel(&wrongInput{streamProtocol, e.Message})
		}
		return false
	}
	return true
}

// close tells the client how the stream ended.
func (c *clientStream) close(err error) {
	cause := context.Cause(c.ctx)
	wrong, isWrong := errors.AsType[*wrongInput](cause)
	closed, isClosed := errors.AsType[*abi.SocketClosed](err)
	switch {
	case isWrong:
		c.say(wrong.code, wrong.reason)
	case cause != nil: // nobody listens, or the edge is forced down
		c.say(streamLeft, "")
	case isClosed && closed.Code == streamNormal:
		c.say(streamNormal, "")
	case c.ended():
		c.say(streamRestart, "the sandbox has ended")
	default:
		if isClosed {
			err = abi.Errorf(abi.CodeSandboxExited, "the stream broke off").WithStarted(abi.StartedYes)
		}
		c.fail(c.s.outsideError(err, c.request, c.sandbox, c.name))
	}
}

// fail sends the error as the last message. That a message made no sense a stream may
// find out only when it has taken it.
func (c *clientStream) fail(e *abi.Error) {
	if e.Operation == "" {
		e.Operation = c.name
	}
	text, err := json.Marshal(struct {
		Error *abi.Error `json:"error"`
	}{e})
	if err == nil {
		_ = c.client.Send(c.ctx, abi.OpcodeText, text)
	}
	if e.Code == abi.CodeInvalidRequest {
		c.say(streamProtocol, e.Message)
		return
	}
	c.say(streamFailed, string(e.Code))
}

// maxReason bounds the reason in a close frame, in bytes (RFC 6455, section 5.5).
const maxReason = 123

// say closes the client's WebSocket.
func (c *clientStream) say(code int, reason string) {
	for i := range reason {
		if i > maxReason-4 {
			reason = reason[:i]
			break
		}
	}
	_ = c.client.Close(code, reason)
}
