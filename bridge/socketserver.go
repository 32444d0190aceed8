package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// AcceptSocket makes a WebSocket of a connection whose client is about to send its
// handshake (RFC 6455, section 4.2), and speaks the first subprotocol that is
// offered. The connection is the socket's from then on, and is closed if that fails.
// ctx and Limits.Handshake bound the handshake. Whoever is given the socket closes
// it.
func AcceptSocket(ctx context.Context, conn net.Conn, limits SocketLimits) (*Socket, error) {
	limits = limits.orDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Handshake, errHandshakeTimeout)
	defer cancel()
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	ws, err := acceptHandshake(conn)
	if !unhook() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("accept handshake: %w", cause(ctx, err))
	}
	conn.SetDeadline(time.Time{})
	return newSocket(ws, nil, limits), nil
}

// acceptHandshake reads the handshake and answers it.
func acceptHandshake(conn net.Conn) (*websocket.Conn, error) {
	r := bufio.NewReaderSize(conn, socketBuffer)
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	up := websocket.Upgrader{
		ReadBufferSize: socketBuffer, WriteBufferSize: socketBuffer,
		CheckOrigin: func(*http.Request) bool { return true }, // whoever sends it here has looked
		Error:       func(http.ResponseWriter, *http.Request, int, error) {},
	}
	if offered, _, _ := strings.Cut(req.Header.Get("Sec-WebSocket-Protocol"), ","); offered != "" {
		up.Subprotocols = []string{strings.Trim(offered, " \t")}
	}
	return up.Upgrade(&hijack{conn: conn, r: r}, req, nil)
}

// socketBuffer is what a served socket reads and writes at a time, in bytes.
const socketBuffer = 4 << 10

// hijack is what is left of net/http's server where there is none.
type hijack struct {
	conn   net.Conn
	r      *bufio.Reader
	header http.Header
}

var _ http.Hijacker = (*hijack)(nil)

// errHijacked: nothing but a 101 is answered.
var errHijacked = errors.New("bridge: the connection is hijacked")

// Header is never sent.
func (h *hijack) Header() http.Header {
	if h.header == nil {
		h.header = http.Header{}
	}
	return h.header
}

// Write fails.
func (h *hijack) Write([]byte) (int, error) { return 0, errHijacked }

// WriteHeader does nothing.
func (h *hijack) WriteHeader(int) {}

// Hijack gives the connection, and what was read of it.
func (h *hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.r, bufio.NewWriterSize(h.conn, socketBuffer)), nil
}
