package sandboxmgr

import (
	"context"
	"log/slog"
	"net"

	"edge/abi"
	"edge/sandboxmgr/initlink"
)

// Init is the edge's end of the process that carries out operations inside one
// sandbox. All methods may be called at the same time. What it answers comes
// from inside the sandbox and is not trusted.
type Init interface {
	// SetPeer names the only process whose connections are taken; 0 is any.
	SetPeer(pid int)
	// Ready waits until the init has said hello, and returns the id it chose
	// when it was started: another one means that it was started anew.
	Ready(ctx context.Context) (boot string, err error)
	// Call carries out one operation: req and resp cross as JSON. An error of
	// the operation is an *abi.Error; every other one means that the init was
	// lost before it answered, and wraps initlink.ErrUnsent if it has seen
	// nothing of the call. The end of ctx cancels the work inside too.
	Call(ctx context.Context, op string, req, resp any) error
	// Open begins a stream: req crosses as JSON, and what goes on is the
	// Socket, which the caller closes. ctx bounds the opening alone. Errors are
	// as those of Call.
	Open(ctx context.Context, op string, req any) (abi.Socket, error)
	// Tunnel connects to a port inside, the init carrying the bytes. It fails
	// with syscall.ECONNREFUSED (wrapped) when nothing listens.
	Tunnel(ctx context.Context, port int) (net.Conn, error)
	// SetPaused says that the sandbox is frozen, so that its silence breaks no
	// rule, or that it runs again.
	SetPaused(paused bool)
	// Broken tells whether the init broke the protocol so often that nothing
	// it says is used any more.
	Broken() bool
	// Close ends the calls in progress and lets go; the init runs on.
	Close() error
}

// InitOpener puts the edge's socket into the run folder dir and returns the end
// that waits there for an init which knows the token.
type InitOpener func(dir, token string, log *slog.Logger) (Init, error)

// openLink opens a real init's end.
func openLink(dir, token string, log *slog.Logger) (Init, error) {
	l, err := initlink.Open(initlink.Config{Dir: dir, Token: token, Log: log})
	if err != nil {
		return nil, err
	}
	return linkedInit{l}, nil
}

// linkedInit makes a link an Init.
type linkedInit struct{ *initlink.Link }

func (l linkedInit) Ready(ctx context.Context) (boot string, err error) {
	h, err := l.Link.Ready(ctx)
	return h.Boot, err
}
