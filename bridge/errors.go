package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// ErrShutdown refuses an exchange that comes after Shutdown was called.
var ErrShutdown = errors.New("bridge: shutting down")

// ErrClosed ends an exchange that was closed through the Table.
var ErrClosed = errors.New("bridge: closed by the edge")

// ErrPolicy ends an exchange that passed a bound of its Policy.
var ErrPolicy = errors.New("bridge: policy limit reached")

// ErrProtocol ends a WebSocket one side of which broke RFC 6455.
var ErrProtocol = errors.New("bridge: websocket protocol error")

// ErrClientGone ends an HTTP exchange whose client closed its connection, or whose
// body could not be read to its end: where the host bounds the client's silence,
// that is a timeout too.
var ErrClientGone = errors.New("bridge: client closed the connection")

// ErrStalled ends a WebSocket one side of which took nothing of what waited for it,
// or that made no progress once it was half closed.
var ErrStalled = errors.New("bridge: connection stalled")

// ErrHead refuses a Head that cannot be written as HTTP/1.1.
var ErrHead = errors.New("bridge: request head is not valid")

// errAnswer is what a malformed answer of a backend wraps.
var errAnswer = errors.New("malformed answer")

// Stage is how far an exchange with the upstream came.
type Stage int

// The stages, in order.
const (
	StageDial   Stage = iota + 1 // no connection
	StageSend                    // the request could not be sent
	StageHead                    // no answer head came, or not in time
	StageAnswer                  // what came is not acceptable HTTP/1.1
	StageAccept                  // a 101 that does not complete the handshake
)

// String names the stage as it stands in an error text.
func (s Stage) String() string {
	switch s {
	case StageDial:
		return "dial"
	case StageSend:
		return "send"
	case StageHead:
		return "await answer"
	case StageAnswer:
		return "read answer"
	case StageAccept:
		return "accept"
	}
	return fmt.Sprintf("stage %d", int(s))
}

// UpstreamError is a failure on the backend's side before anything was written
// to the client.
type UpstreamError struct {
	Stage Stage
	// Started says that bytes of the request were sent, so that the backend may
	// have begun to act on it.
	Started bool
	Err     error
}

// Error tells stage and cause. It is for logs, not for clients.
func (e *UpstreamError) Error() string { return fmt.Sprintf("upstream: %s: %v", e.Stage, e.Err) }

// Unwrap gives the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// Timeout says that a deadline passed: the answer to give is 504, not 502.
func (e *UpstreamError) Timeout() bool { return isTimeout(e.Err) }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
