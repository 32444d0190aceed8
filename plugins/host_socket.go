package plugins

import (
	"bytes"
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"edge/abi"
)

const (
	// maxMessage bounds one message that a guest receives, in bytes.
	maxMessage = 1 << 20
	// maxSockets bounds the sockets and streams of one request.
	maxSockets = 64

	// Close codes of RFC 6455, section 7.4.1.
	closeNormal    = 1000
	closeGoingAway = 1001
	closeTooBig    = 1009
)

// socket is a WebSocket or a stream that the guest opened. Receives follow each other, and
// so do sends.
type socket struct {
	conn abi.Socket
	recv lane
	send lane
	left bool // closed by the guest
}

// addSocket gives the exchange a socket, which it closes at its end.
func (x *exchange) addSocket(handle uint32, conn abi.Socket) {
	if x.sockets == nil {
		x.sockets = map[uint32]*socket{}
	}
	x.sockets[handle] = &socket{conn: conn}
}

// abandon closes a socket that outlived its request.
func (s *socket) abandon(g *generation) {
	if !s.left {
		s.left = true
		g.tasks.Add(1)
		go g.closeSocket(s.conn, closeGoingAway, "")
	}
}

// closeSocket is the goroutine that sees a socket off; the generation joins it.
func (g *generation) closeSocket(conn abi.Socket, code int, reason string) {
	defer g.tasks.Done()
	if err := conn.Close(code, reason); err != nil {
		g.log().Debug("closing a plugin's socket", "err", err)
	}
}

// findSocket returns a socket of an open request, or nil: the call is CLOSED.
func (in *instance) findSocket(req, ws uint64) (*exchange, *socket) {
	x := in.caller(req)
	if x == nil {
		return nil, nil
	}
	s := x.sockets[uint32(ws)]
	if s == nil || s.left {
		return nil, nil
	}
	return x, s
}

// opening checks what ws_open names; the call is then refused or made.
func (in *instance) opening(x *exchange, t target) (ref abi.SandboxRef, opts abi.WebSocketOptions, e *abi.Error) {
	switch {
	case in.agent(x).services.Sockets == nil:
		return ref, opts, abi.Errorf(abi.CodeUnsupported, "this edge has no sandboxes")
	}
	if e := x.roomForSocket(); e != nil {
		return ref, opts, e
	}
	if ref, e = t.resolve(&opts); e == nil {
		e = t.checkPort()
	}
	if e == nil {
		e = in.gen.granted(ref, t.port)
	}
	ref.SandboxOptions = sandboxOptions(opts.Sandbox)
	return ref, opts, e
}

// roomForSocket refuses one socket or stream more than a request may have.
func (x *exchange) roomForSocket() *abi.Error {
	if len(x.sockets)+x.openings() >= maxSockets {
		return abi.Errorf(abi.CodeQuotaExceeded, "the request has %d sockets already", maxSockets)
	}
	return nil
}

// openings counts the sockets that are being opened.
func (x *exchange) openings() (n int) {
	for _, c := range x.calls {
		if c.opens {
			n++
		}
	}
	return n
}

// wsOpen: (req, binding, binding_len, id, id_len, port, options, options_len).
// See SPEC.md, section 6.
func wsOpen(in *instance, a []uint64) uint64 {
	t := in.target(a)
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	ref, opts, e := in.opening(x, t)
	if e != nil {
		return x.fail(e)
	}
	handle, err := in.newHandle() // first: a panic must not leave an open socket behind
	if err != nil {
		panic(err)
	}
	as := in.agent(x)
	var conn abi.Socket
	err = in.wait(x, nil, func(ctx context.Context) (err error) {
		conn, err = as.openSocket(ctx, ref, t.port, opts)
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	x.addSocket(handle, conn)
	return abi.Result(abi.OK, handle)
}

// wsOpenStart: as wsOpen.
func wsOpenStart(in *instance, a []uint64) uint64 {
	t := in.target(a)
	x := in.caller(a[0])
	if x == nil {
		return answer(abi.Closed)
	}
	ref, opts, e := in.opening(x, t)
	if e != nil {
		return x.fail(e)
	}
	c := &call{x: x, agent: in.agent(x), opens: true}
	return in.launch(c, nil, func(ctx context.Context) ([]byte, error) {
		conn, err := c.agent.openSocket(ctx, ref, t.port, opts)
		c.opened = conn
		return nil, err
	})
}

// openSocket opens a socket and notes it.
func (a agent) openSocket(ctx context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	begun := time.Now()
	conn, err := a.services.Sockets.OpenSocket(ctx, ref, port, opts)
	a.called("wsOpen", err, time.Since(begun))
	return conn, err
}

// wsRecv: (req, ws, timeout_ms, ptr, cap).
func wsRecv(in *instance, a []uint64) uint64 {
	out := in.bytes(a[3], a[4])
	x, s := in.findSocket(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	var message []byte
	err := in.wait(x, &s.recv, func(ctx context.Context) (err error) {
		message, err = s.receive(ctx, milliseconds(a[2]))
		return err
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return x.reply(out, message)
}

// wsRecvStart: (req, ws, timeout_ms).
func wsRecvStart(in *instance, a []uint64) uint64 {
	x, s := in.findSocket(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	timeout := milliseconds(a[2])
	return in.launch(&call{x: x, agent: in.agent(x)}, &s.recv, func(ctx context.Context) ([]byte, error) {
		return s.receive(ctx, timeout)
	})
}

// milliseconds reads an unsigned number of them; the request's deadline bounds
// every wait anyway. 0 still gives a message that is there a chance.
func milliseconds(ms uint64) time.Duration {
	return max(time.Duration(uint32(ms))*time.Millisecond, time.Millisecond)
}

// receive returns the next message with its opcode in front.
func (s *socket) receive(ctx context.Context, timeout time.Duration) ([]byte, error) {
	wait, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	opcode, payload, err := s.conn.Receive(wait)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return nil, abi.Errorf(abi.CodeTimeout, "no message came within %s", timeout)
	case err != nil:
		return nil, socketError(err)
	case len(payload) > maxMessage:
		_ = s.conn.Close(closeTooBig, "message too big") // the answer says so already
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "a message of %d bytes came; %d are the most", len(payload), maxMessage)
	}
	return append(append(make([]byte, 0, 1+len(payload)), opcode), payload...), nil
}

// socketError is the end of a socket as the guest sees it: CLOSED, and in the
// details code and reason.
func socketError(err error) error {
	var end *abi.SocketClosed
	if !errors.As(err, &end) {
		return err
	}
	return abi.Errorf(abi.CodeCanceled, "the socket was closed with %d", end.Code).WithStarted(abi.StartedYes).WithDetails(end)
}

// wsSend: (req, ws, opcode, ptr, len).
func wsSend(in *instance, a []uint64) uint64 {
	payload := in.bytes(a[3], a[4])
	x, s := in.findSocket(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	opcode := uint32(a[2])
	if e := checkMessage(opcode, payload); e != nil {
		return x.fail(e)
	}
	err := in.wait(x, &s.send, func(ctx context.Context) error {
		return socketError(s.conn.Send(ctx, byte(opcode), payload))
	})
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return answer(abi.OK)
}

// wsSendStart: as wsSend.
func wsSendStart(in *instance, a []uint64) uint64 {
	payload := bytes.Clone(in.bytes(a[3], a[4]))
	x, s := in.findSocket(a[0], a[1])
	if x == nil {
		return answer(abi.Closed)
	}
	opcode := uint32(a[2])
	if e := checkMessage(opcode, payload); e != nil {
		return x.fail(e)
	}
	return in.launch(&call{x: x, agent: in.agent(x), unsent: len(payload)}, &s.send, func(ctx context.Context) ([]byte, error) {
		return nil, socketError(s.conn.Send(ctx, byte(opcode), payload))
	})
}

// checkMessage wants a text or a binary message, and a text to be UTF-8 (RFC
// 6455, section 5.6).
func checkMessage(opcode uint32, payload []byte) *abi.Error {
	switch {
	case opcode != 1 && opcode != 2:
		return abi.Errorf(abi.CodeInvalidRequest, "ws_send: opcode %d is neither 1 (text) nor 2 (binary)", opcode)
	case opcode == 1 && !utf8.Valid(payload):
		return abi.Errorf(abi.CodeInvalidRequest, "ws_send: the text is not UTF-8")
	}
	return nil
}

// wsClose: (req, ws, code, reason, reason_len).
func wsClose(in *instance, a []uint64) uint64 {
	code, reason := uint32(a[2]), in.text(a[3], a[4])
	x, s := in.findSocket(a[0], a[1])
	switch {
	case x == nil:
		return answer(abi.Closed)
	case code != closeNormal && (code < 3000 || code > 4999):
		return x.refuse(abi.CodeInvalidRequest, "ws_close: code %d is neither 1000 nor 3000 to 4999", code)
	case len(reason) > 123 || !utf8.ValidString(reason):
		return x.refuse(abi.CodeInvalidRequest, "ws_close: the reason is not UTF-8 of at most 123 bytes")
	}
	s.left = true
	delete(x.sockets, uint32(a[1]))
	if in.gen.shape.async { // other requests do not wait for the peer's part of the handshake
		in.gen.tasks.Add(1)
		go in.gen.closeSocket(s.conn, int(code), reason)
		return answer(abi.OK)
	}
	var err error
	in.park(func() { err = s.conn.Close(int(code), reason) })
	if err != nil {
		return x.fail(in.gen.sayable(err))
	}
	return answer(abi.OK)
}
