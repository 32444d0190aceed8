package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// SocketOptions say how a Socket is opened. Zero values take the defaults.
type SocketOptions struct {
	Host      string // the Host field; default "localhost"
	Path      string // path and query; default "/"
	Protocols []string
	Headers   []Header // beside those of the handshake
	Limits    SocketLimits
}

// SocketLimits bound what a Socket keeps.
type SocketLimits struct {
	MessageBytes int64         // of one received message; default 1 MiB, more is 1009
	Messages     int           // received and not yet taken; default 64
	Bytes        int64         // the same in bytes; default 1 MiB
	Handshake    time.Duration // default 10 s
}

// SocketClosed is how a Socket ended: the peer's close code and reason, or 1006
// when the connection broke without one (RFC 6455, section 7.1.5).
type SocketClosed struct {
	Code   int
	Reason string
}

// Error tells code and reason.
func (e *SocketClosed) Error() string {
	return fmt.Sprintf("socket closed: %d %q", e.Code, e.Reason)
}

// SocketRefused is the status that a handshake was answered with instead of 101.
type SocketRefused int

// Error tells the status.
func (e SocketRefused) Error() string { return fmt.Sprintf("status %d", int(e)) }

// ErrMessageTooBig is a received message of more than SocketLimits.MessageBytes.
var ErrMessageTooBig = errors.New("bridge: message too big")

// ErrOpcode refuses a message that is neither text (1) nor binary (2).
var ErrOpcode = errors.New("bridge: opcode is neither 1 (text) nor 2 (binary)")

// ErrCloseCode refuses a close code or a reason that must not stand in a frame.
var ErrCloseCode = errors.New("bridge: close code or reason not allowed")

// Socket is a WebSocket one end of which is the edge itself. It reads ahead within
// its limits and then leaves the peer waiting. Receive and Send may run at the
// same time, each by one goroutine; Close by any. Whoever opened it closes it.
type Socket struct {
	conn   *websocket.Conn
	head   http.Header // of the peer's 101
	limits SocketLimits
	done   chan struct{} // closed when the reader has ended

	mu      sync.Mutex // guards what follows
	queue   []socketMessage
	bytes   int64
	err     error         // why nothing more will come
	tooBig  bool          // because of a message that was too big, which Receive has not told
	closing bool          // messages are read and dropped
	ready   chan struct{} // 1: the queue or err has changed
	room    chan struct{} // 1: something was taken
}

type socketMessage struct {
	opcode  byte
	payload []byte
}

// OpenSocket makes a WebSocket on conn, which it owns from then on, also when it
// fails: then with an *UpstreamError. ctx and Limits.Handshake bound the
// handshake.
func OpenSocket(ctx context.Context, conn net.Conn, opts SocketOptions) (*Socket, error) {
	limits := opts.Limits.orDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Handshake, errHandshakeTimeout)
	defer cancel()
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	ws, head, err := opts.dial(ctx, conn)
	if !unhook() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, &UpstreamError{Stage: StageAccept, Started: true, Err: cause(ctx, err)}
	}
	conn.SetDeadline(time.Time{})
	return newSocket(ws, head, limits), nil
}

// newSocket starts the reader of a WebSocket.
func newSocket(ws *websocket.Conn, head http.Header, limits SocketLimits) *Socket {
	ws.SetReadLimit(limits.MessageBytes)
	s := &Socket{conn: ws, head: head, limits: limits, done: make(chan struct{}), ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	go s.receive()
	return s
}

// orDefaults is l with the defaults in the place of zeros.
func (l SocketLimits) orDefaults() SocketLimits {
	l.Handshake = orDefault(l.Handshake, DefaultHandshakeTimeout)
	if l.MessageBytes <= 0 {
		l.MessageBytes = 1 << 20
	}
	if l.Messages <= 0 {
		l.Messages = 64
	}
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	return l
}

// dial sends the handshake over conn.
func (o SocketOptions) dial(ctx context.Context, conn net.Conn) (*websocket.Conn, http.Header, error) {
	h := http.Header{"User-Agent": {""}} // none, instead of net/http's
	for _, f := range o.Headers {
		if !validToken(f.Name) || !validValue(f.Value) {
			return nil, nil, fmt.Errorf("%w: header %q", ErrHead, f.Name)
		}
		name := http.CanonicalHeaderKey(f.Name)
		if name == "User-Agent" {
			h.Set(name, f.Value)
			continue
		}
		h.Add(name, f.Value)
	}
	host := o.Host
	if host == "" {
		host = "localhost"
	}
	d := websocket.Dialer{
		NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		Subprotocols:   o.Protocols,
	}
	ws, resp, err := d.DialContext(ctx, "ws://"+host+"/"+strings.TrimPrefix(o.Path, "/"), h)
	switch {
	case err == nil:
		return ws, resp.Header, nil
	case resp != nil:
		err = fmt.Errorf("%w: %w", err, SocketRefused(resp.StatusCode))
	}
	return nil, nil, err
}

// Protocol is the subprotocol that the peer chose, empty for none.
func (s *Socket) Protocol() string { return s.conn.Subprotocol() }

// Header is that of the peer's 101. It is not to be changed.
func (s *Socket) Header() http.Header { return s.head }

// receive reads messages into the queue until the connection ends.
func (s *Socket) receive() {
	defer close(s.done)
	for s.awaitRoom() {
		kind, payload, err := s.conn.ReadMessage()
		if err != nil {
			s.mu.Lock()
			s.tooBig = errors.Is(err, websocket.ErrReadLimit)
			s.mu.Unlock()
			s.end(socketEnd(err))
			return
		}
		s.mu.Lock()
		if !s.closing {
			s.queue = append(s.queue, socketMessage{byte(kind), payload})
			s.bytes += int64(len(payload))
		}
		s.mu.Unlock()
		notify(s.ready)
	}
}

// awaitRoom waits until one more message may be read.
func (s *Socket) awaitRoom() bool {
	for {
		s.mu.Lock()
		full := !s.closing && (len(s.queue) >= s.limits.Messages || s.bytes >= s.limits.Bytes)
		s.mu.Unlock()
		if !full {
			return true
		}
		<-s.room
	}
}

func (s *Socket) end(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.conn.Close()
	notify(s.ready)
}

// socketEnd turns a failed read into how the socket ended.
func socketEnd(err error) *SocketClosed {
	var ce *websocket.CloseError
	switch {
	case errors.As(err, &ce):
		return &SocketClosed{ce.Code, ce.Text}
	case errors.Is(err, websocket.ErrReadLimit):
		return &SocketClosed{closeTooBig, "message too big"}
	}
	return &SocketClosed{closeAbnormal, ""}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Receive returns the next whole message; opcode 1 is text, 2 binary. It ends
// with ctx's reason, and then the message is there for the next call, or with
// *SocketClosed, after all that came before. In the place of a message that is too
// big it gives ErrMessageTooBig, once; the socket was then closed with 1009.
func (s *Socket) Receive(ctx context.Context) (opcode byte, payload []byte, err error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			m := s.queue[0]
			s.queue[0] = socketMessage{}
			s.queue = s.queue[1:]
			s.bytes -= int64(len(m.payload))
			s.mu.Unlock()
			notify(s.room)
			return m.opcode, m.payload, nil
		}
		err := s.err
		if s.tooBig {
			s.tooBig, err = false, ErrMessageTooBig
		}
		s.mu.Unlock()
		if err != nil {
			return 0, nil, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return 0, nil, context.Cause(ctx)
		}
	}
}

// Send sends one message and blocks while the peer reads slowly. A message that
// ctx ends in the middle of breaks the socket.
func (s *Socket) Send(ctx context.Context, opcode byte, payload []byte) error {
	if opcode != opText && opcode != opBinary {
		return fmt.Errorf("%w: %d", ErrOpcode, opcode)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	unhook := context.AfterFunc(ctx, func() { s.conn.NetConn().SetWriteDeadline(past) })
	err := s.conn.WriteMessage(int(opcode), payload)
	unhook()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		s.end(&SocketClosed{closeAbnormal, ""})
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return &SocketClosed{closeAbnormal, ""}
}

// Close starts the closing handshake (RFC 6455, section 7.1.2), waits at most two
// seconds for the peer's part of it, and returns when the connection is closed.
// Messages that were not received are dropped. It may be called again.
func (s *Socket) Close(code int, reason string) error {
	if code == 0 {
		code = closeNoStatus
	}
	if !sendableCode(code) || len(reason) > maxControl-2 || code == closeNoStatus && reason != "" {
		return fmt.Errorf("%w: %d %q", ErrCloseCode, code, reason)
	}
	s.mu.Lock()
	s.closing = true
	s.queue, s.bytes = nil, 0
	s.mu.Unlock()
	notify(s.room)
	deadline := time.Now().Add(closeWait)
	s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline)
	s.conn.SetReadDeadline(deadline)
	<-s.done
	s.conn.Close()
	return nil
}

// sendableCode is RFC 6455, section 7.4; 1005 stands for none.
func sendableCode(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code >= closeNormal && code <= 1014:
		return code != 1004 && code != closeAbnormal
	}
	return false
}
