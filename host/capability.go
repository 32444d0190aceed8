package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// Sockets opens WebSockets to sandboxes with the edge's plugins as clients.
type Sockets struct {
	Sandboxes *sandboxmgr.Manager
}

// OpenSocket connects to a port of a sandbox, starting it if needed, and does
// the WebSocket handshake. The caller closes the socket. Options given in opts
// replace the ref's.
func (s Sockets) OpenSocket(ctx context.Context, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	if s.Sandboxes == nil {
		return nil, abi.Errorf(abi.CodeRuntimeUnavailable, "this edge runs no sandboxes")
	}
	return openSocket(ctx, managed{s.Sandboxes}, ref, port, opts)
}

func openSocket(ctx context.Context, boxes sandboxes, ref abi.SandboxRef, port int, opts abi.WebSocketOptions) (abi.Socket, error) {
	if err := abi.CheckPort(port); err != nil {
		return nil, err
	}
	if opts.Sandbox != nil {
		ref.SandboxOptions = *opts.Sandbox
	}
	box, err := boxes.sandbox(ref)
	if err != nil {
		return nil, err
	}
	conn, letSleep, err := dialSocket(ctx, box, port, opts.Wait.Or(defaultWait))
	if err != nil {
		return nil, err
	}
	so := bridge.SocketOptions{Host: "localhost:" + strconv.Itoa(port), Path: or(opts.Path, "/"), Protocols: opts.Protocols}
	return shakeHands(ctx, conn, so, opts.Headers, fmt.Sprintf("server on port %d", port), letSleep)
}

// OpenURL does the WebSocket handshake with the server of a URL over a connection to it,
// which is the socket's from then on, also when that fails. The caller closes the socket.
func OpenURL(ctx context.Context, conn net.Conn, u *url.URL, opts abi.WebSocketURLOptions) (abi.Socket, error) {
	so := bridge.SocketOptions{Host: u.Host, Path: u.RequestURI(), Protocols: opts.Protocols}
	return shakeHands(ctx, conn, so, opts.Headers, "server at "+u.Host, func() {})
}

// shakeHands makes a socket of a connection to a server, which who describes. letSleep
// is called at its end.
func shakeHands(ctx context.Context, conn net.Conn, so bridge.SocketOptions, headers [][2]string, who string, letSleep func()) (abi.Socket, error) {
	for _, h := range headers {
		so.Headers = append(so.Headers, bridge.Header{Name: h[0], Value: h[1]})
	}
	sock, err := bridge.OpenSocket(ctx, conn, so)
	if err != nil {
		letSleep()
		ue, ok := errors.AsType[*bridge.UpstreamError](err)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, bridge.ErrHead):
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a header of the handshake has a name or value that cannot be sent")
		case ok && ue.Timeout():
			return nil, abi.Errorf(abi.CodeTimeout, "the %s did not answer the WebSocket handshake in time", who).
				WithStarted(abi.StartedMaybe)
		}
		if status, ok := errors.AsType[bridge.SocketRefused](err); ok {
			return nil, abi.Errorf(abi.CodeUpgradeFailed, "the %s answered the WebSocket handshake with the status %d", who, int(status)).
				WithStarted(abi.StartedMaybe).WithDetails(map[string]int{"status": int(status)})
		}
		return nil, abi.Errorf(abi.CodeUpgradeFailed, "the %s did not complete the WebSocket handshake", who).
			WithStarted(abi.StartedMaybe)
	}
	return socket{sock, letSleep}, nil
}

// DialPort connects to a port of a sandbox, starting it if needed. The sandbox is kept
// awake until the connection, which is the caller's, is closed.
func (s Sockets) DialPort(ctx context.Context, ref abi.SandboxRef, port int) (net.Conn, error) {
	if s.Sandboxes == nil {
		return nil, abi.Errorf(abi.CodeRuntimeUnavailable, "this edge runs no sandboxes")
	}
	return dialPort(ctx, managed{s.Sandboxes}, ref, port)
}

func dialPort(ctx context.Context, boxes sandboxes, ref abi.SandboxRef, port int) (net.Conn, error) {
	box, err := boxes.sandbox(ref)
	if err != nil {
		return nil, err
	}
	conn, letSleep, err := dialSocket(ctx, box, port, defaultWait)
	if err != nil {
		return nil, err
	}
	return &portConn{Conn: conn, letSleep: sync.OnceFunc(letSleep)}, nil
}

// portConn is a connection that keeps its sandbox awake until it is closed.
type portConn struct {
	net.Conn
	letSleep func()
}

// Close closes the connection.
func (c *portConn) Close() error {
	c.letSleep()
	return c.Conn.Close()
}

// dialSocket connects, and tries a refused port again if the sandbox was started
// since the request came in on whose behalf this happens. The sandbox is kept
// awake until letSleep is called.
func dialSocket(ctx context.Context, box sandbox, port int, wait time.Duration) (c net.Conn, letSleep func(), err error) {
	d, err := newDialer(ctx, box, port, socketWake, true, 0)
	if err != nil {
		return nil, nil, err
	}
	defer d.release()
	if c, err = d.connect(ctx, wait); err != nil {
		d.letSleep()
		if outOfDescriptors(err) {
			err = errDescriptors()
		}
		return nil, nil, err
	}
	return c, d.letSleep, nil
}

// socketWake is longer than any plugin's deadline, which bounds the wait.
const socketWake abi.Wake = "hold(1h)"

// connect dials on a request's behalf.
func (d *dialer) connect(ctx context.Context, wait time.Duration) (net.Conn, error) {
	c, err := d.dial(ctx)
	if err == nil || !isRefused(err) {
		return c, err
	}
	arrived, ok := ctx.Value(arrivalKey{}).(time.Time)
	if !d.run.Started && (!ok || !d.readySince(arrived)) {
		return nil, err
	}
	if err := d.await(ctx, wait); err != nil {
		return nil, err
	}
	return d.dial(ctx)
}

// socket is a *bridge.Socket that ends in the words of the ABI, and keeps its
// sandbox awake until it is closed.
type socket struct {
	*bridge.Socket
	letSleep func()
}

var _ abi.Socket = socket{}

// Handshake tells how the server answered.
func (s socket) Handshake() abi.WebSocketHead {
	head := abi.WebSocketHead{Status: http.StatusSwitchingProtocols, Protocol: s.Protocol(), Headers: [][2]string{}}
	for _, name := range slices.Sorted(maps.Keys(s.Header())) {
		for _, value := range s.Header()[name] {
			head.Headers = append(head.Headers, [2]string{name, value})
		}
	}
	return head
}

// Close closes the socket.
func (s socket) Close(code int, reason string) error {
	s.letSleep()
	return s.Socket.Close(code, reason)
}

// Receive returns the next message.
func (s socket) Receive(ctx context.Context) (byte, []byte, error) {
	op, payload, err := s.Socket.Receive(ctx)
	return op, payload, closedError(err)
}

// Send sends one message.
func (s socket) Send(ctx context.Context, opcode byte, payload []byte) error {
	return closedError(s.Socket.Send(ctx, opcode, payload))
}

// closedError turns the bridge's end of a socket into the ABI's.
func closedError(err error) error {
	if errors.Is(err, bridge.ErrMessageTooBig) {
		return abi.Errorf(abi.CodeBodyTooLarge, "a message was larger than the socket takes, which closed it with 1009").WithStarted(abi.StartedYes)
	}
	var c *bridge.SocketClosed
	if errors.As(err, &c) {
		return &abi.SocketClosed{Code: c.Code, Reason: c.Reason}
	}
	return err
}

// Previews tells what addresses have the form of a preview's.
type Previews struct {
	Domains []string // default "localhost"
}

// NamesPreview is true if the request's host or path is in preview form, whether
// or not there is such an exposure.
func (p Previews) NamesPreview(req *abi.Request) bool {
	name, ok := hostName(req.Host)
	s := Server{Domains: domains(p.Domains)}
	if _, preview := s.previewOf(name, req.Path); preview && ok {
		return true
	}
	return false
}
