package fetch

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"edge/abi"
)

// Sandboxes reaches the ports of sandboxes.
type Sandboxes interface {
	// DialPort connects to a port of a sandbox, which is started if need be and kept
	// awake until the connection is closed.
	DialPort(ctx context.Context, ref abi.SandboxRef, port int) (net.Conn, error)
}

// connKey is under what a request's context holds the connection that it goes over.
type connKey struct{}

// handed is a connection on its way to the transport. It is made before the transport
// is asked, because a transport goes on with a dial whose request is over.
type handed struct {
	mu   sync.Mutex
	conn net.Conn // nil once it was taken
}

func (h *handed) take() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conn
	h.conn = nil
	return c
}

// dialled is the dial of a transport of handed connections.
func dialled(ctx context.Context) (net.Conn, error) {
	if h, ok := ctx.Value(connKey{}).(*handed); ok {
		if c := h.take(); c != nil {
			return c, nil
		}
	}
	return nil, errors.New("the connection to the sandbox was used already")
}

// toSandbox sends the request to the sandbox's port that it names.
func (j *journey) toSandbox(ctx context.Context) (*http.Response, error) {
	c := j.client
	if c.Sandboxes == nil {
		return nil, abi.Errorf(abi.CodeRuntimeUnavailable, "this edge runs no sandboxes")
	}
	conn, err := c.Sandboxes.DialPort(ctx, j.request.Sandbox, j.request.Port)
	if err != nil {
		return nil, err
	}
	h := &handed{conn: conn}
	defer func() {
		if left := h.take(); left != nil {
			_ = left.Close()
		}
	}()
	return j.send(context.WithValue(ctx, connKey{}, h), c.boxes, true)
}
