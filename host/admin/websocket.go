package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// Close codes of WebSockets (RFC 6455, section 7.4.1).
const (
	closeNormal    = websocket.CloseNormalClosure
	closeGoingAway = websocket.CloseGoingAway
	closePolicy    = websocket.ClosePolicyViolation
	closeProtocol  = websocket.CloseProtocolError
	closeTooBig    = websocket.CloseMessageTooBig
	closeFailed    = websocket.CloseInternalServerErr
)

// webSocket carries a stream of any kind as a WebSocket. The client's first
// message is the request's JSON; after it both sides' messages are the stream's.
// A failure is a last text message, like an answer's body, and code 1011.
func (x *exchange) webSocket() error {
	if !websocket.IsWebSocketUpgrade(x.r) {
		e := abi.Errorf(abi.CodeUpgradeRequired, "operation %s is asked for with a WebSocket here", x.address.row.Name())
		if x.address.row.Kind() != abi.KindDuplex {
			return e.WithSuggestion("or use another of the methods %s", x.address.resource.allow())
		}
		return e
	}
	if err := x.onlyPretty(); err != nil {
		return err
	}
	release, err := x.takeStream()
	if err != nil {
		return err
	}
	defer release()
	up := websocket.Upgrader{
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10,
		CheckOrigin: func(*http.Request) bool { return true }, // admission did
		Error:       func(http.ResponseWriter, *http.Request, int, error) {},
	}
	conn, err := up.Upgrade(x.w, x.r, http.Header{"X-Request-Id": {x.id}})
	if err != nil {
		if _, ok := errors.AsType[websocket.HandshakeError](err); ok {
			return abi.Errorf(abi.CodeInvalidRequest, "the WebSocket handshake: %v", err)
		}
		x.code = abi.CodeCanceled // the client went away before the answer
		return nil
	}
	x.status = http.StatusSwitchingProtocols
	w := &webSocket{x: x, conn: conn, opened: make(chan struct{}), read: make(chan struct{}), ended: make(chan struct{})}
	w.ctx, w.cancel = x.endless()
	defer w.cancel(nil)
	w.serve()
	return nil
}

// webSocket is one on its way. The request's goroutine sends to the client;
// relayInput receives from it; ping pings.
type webSocket struct {
	x      *exchange
	conn   *websocket.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	// sock is there once opened is closed.
	sock   abi.Socket
	opened chan struct{}
	read   chan struct{} // closed when relayInput has ended
	ended  chan struct{} // closed when all is over
	// clientCode is the close code that the client sent, if it did; written
	// before read is closed.
	clientCode int
}

// errClientClosed is the cause of a stream's end when the client closed it.
var errClientClosed = errors.New("the client closed the WebSocket")

// inputError is something that a client must not send.
type inputError struct {
	code   int
	reason string
}

func (e *inputError) Error() string { return e.reason }

// serve runs the stream from the first message to the closing handshake.
func (w *webSocket) serve() {
	defer w.conn.Close()
	// What is being written to a client that does not read is cut, late.
	stop := context.AfterFunc(w.ctx, w.cutLate)
	defer stop()
	defer close(w.ended)
	request, err := w.first()
	if err != nil {
		w.close(err)
		return
	}
	pinged := make(chan struct{})
	go w.relayInput()
	go w.ping(pinged)
	err = w.stream(request)
	w.close(err)
	w.cancel(errClientClosed)
	if w.sock != nil {
		_ = w.sock.Close(closeGoingAway, "")
	}
	// The client's own close comes now; what it sent before is read away, or the
	// kernel would reset the connection under our last messages.
	_ = w.conn.SetReadDeadline(time.Now().Add(w.x.s.pace.close))
	<-w.read
	if w.x.close == 0 {
		w.x.close = w.clientCode
	}
	_ = w.conn.Close()
	<-pinged
}

// cutLate ends the connection when the stream's end could not be told.
func (w *webSocket) cutLate() {
	t := time.NewTimer(w.x.s.pace.close)
	defer t.Stop()
	select {
	case <-w.ended:
	case <-t.C:
		_ = w.conn.NetConn().Close()
	}
}

// first reads the request.
func (w *webSocket) first() ([]byte, error) {
	_ = w.conn.SetReadDeadline(time.Now().Add(w.x.s.pace.first))
	stop := context.AfterFunc(w.ctx, func() { _ = w.conn.SetReadDeadline(time.Now()) })
	defer stop()
	w.conn.SetReadLimit(MaxBodyBytes)
	kind, body, err := w.readFirst()
	w.x.in.Add(int64(len(body)))
	if e, ok := errors.AsType[*abi.Error](err); ok {
		return nil, e
	}
	ne, isNet := errors.AsType[net.Error](err)
	switch {
	case isNet && ne.Timeout():
		return nil, &inputError{closePolicy, "no request came"}
	case errors.Is(err, websocket.ErrReadLimit):
		return nil, errBodyTooLarge()
	case err != nil:
		return nil, errClientClosed
	case kind != websocket.TextMessage:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the first message is not text").
			WithSuggestion("send the operation's request as JSON first")
	}
	w.conn.SetReadLimit(0) // of messages that are passed on piece by piece
	_ = w.conn.SetReadDeadline(time.Time{})
	return addressed(w.x.address, body)
}

// readFirst reads a whole message; a large one waits for its place midway.
func (w *webSocket) readFirst() (kind int, body []byte, err error) {
	kind, r, err := w.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(r, largeBody+1))
	if err != nil || n <= largeBody {
		return kind, buf.Bytes(), err
	}
	if err := w.x.enlarge(w.ctx); err != nil {
		return kind, buf.Bytes(), err
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(w.x.s.pace.first)) // the wait was not the client's
	if err := w.ctx.Err(); err != nil {                          // its own deadline may just have been replaced
		return kind, buf.Bytes(), err
	}
	_, err = buf.ReadFrom(r)
	return kind, buf.Bytes(), err
}

// stream opens the operation and passes on what it sends, until its end.
func (w *webSocket) stream(request []byte) error {
	sock, err := w.x.s.Operations.Open(w.ctx, w.x.address.row.Name(), request)
	w.x.shrink()
	if err != nil {
		return err
	}
	w.sock = sock
	close(w.opened)
	for {
		opcode, msg, err := sock.Receive(w.ctx)
		if err != nil {
			return err
		}
		w.x.out.Add(int64(len(msg)))
		if err := w.conn.WriteMessage(int(opcode), msg); err != nil {
			return errClientClosed
		}
	}
}

// close tells the client how the stream ended.
func (w *webSocket) close(err error) {
	code, reason := closeNormal, ""
	cause := context.Cause(w.ctx)
	wrong, isInput := errors.AsType[*inputError](cause)
	if cause == nil {
		wrong, isInput = errors.AsType[*inputError](err)
	}
	switch {
	case errors.Is(err, errClientClosed), errors.Is(cause, errClientClosed):
		return // its close was answered when it was read
	case isInput:
		code, reason = wrong.code, wrong.reason
	case errors.Is(cause, errShutdown):
		code, reason = closeGoingAway, errShutdown.Error()
	default:
		if e := w.x.streamError(w.ctx, err); e != nil {
			code, reason = closeFailed, string(e.Code)
			b := Failure{e}.marshal()
			w.x.out.Add(int64(len(b)))
			_ = w.conn.SetWriteDeadline(time.Now().Add(w.x.s.pace.close))
			_ = w.conn.WriteMessage(websocket.TextMessage, b)
		}
	}
	w.x.close = code
	_ = w.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(w.x.s.pace.close))
}

// relayInput passes the client's messages on, until the connection ends. Not
// reading while the sandbox does not is what holds the client back.
func (w *webSocket) relayInput() {
	defer close(w.read)
	buf := make([]byte, abi.MaxStreamBinary)
	for {
		kind, r, err := w.conn.NextReader()
		if err != nil {
			if c, ok := errors.AsType[*websocket.CloseError](err); ok {
				w.clientCode = c.Code
			}
			w.cancel(errClientClosed)
			return
		}
		select {
		case <-w.opened:
		case <-w.ctx.Done():
		}
		if w.ctx.Err() != nil {
			continue // it is being closed
		}
		if err := w.relayMessage(kind, r, buf); err != nil {
			w.cancel(err)
		}
	}
}

// relayMessage passes one message on: bytes in pieces of any size, text whole.
func (w *webSocket) relayMessage(kind int, r io.Reader, buf []byte) error {
	opcode := abi.OpcodeBinary
	if kind == websocket.TextMessage {
		opcode = abi.OpcodeText
	}
	for {
		n, err := fill(r, buf)
		w.x.in.Add(int64(n))
		switch {
		case err == io.EOF && opcode == abi.OpcodeBinary:
			return nil
		case err != nil && err != io.EOF:
			return errClientClosed
		}
		if opcode == abi.OpcodeText && n == len(buf) {
			if m, _ := r.Read(make([]byte, 1)); m > 0 {
				return &inputError{closeTooBig, "a text message is longer than the stream takes"}
			}
		}
		if err := w.sock.Send(w.ctx, opcode, buf[:n]); err != nil {
			if w.ctx.Err() != nil {
				return nil
			}
			return w.refusedInput(err)
		}
		if opcode == abi.OpcodeText {
			return nil
		}
	}
}

// refusedInput is nil when the stream has ended: stream tells how. Otherwise
// the message was refused.
func (w *webSocket) refusedInput(err error) error {
	if e, ok := errors.AsType[*abi.Error](err); ok && e.Code == abi.CodeInvalidRequest {
		return &inputError{closeProtocol, e.Message}
	}
	return nil
}

// ping pings until the stream's end. It may wait long for a client that does not
// read: that is no reason to close.
func (w *webSocket) ping(done chan<- struct{}) {
	defer close(done)
	t := time.NewTicker(w.x.s.pace.ping)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := w.conn.WriteControl(websocket.PingMessage, nil, time.Time{}); err != nil {
				w.cancel(errClientClosed)
				return
			}
		case <-w.ctx.Done():
			return
		}
	}
}
