//go:build !linux

package socket

import (
	"context"
	"net"
	"time"
)

// ListenConfig says how connections are accepted.
type ListenConfig struct {
	// DeadPeer is within what time the kernel finds the peers of accepted
	// connections dead; it is Linux's to do.
	DeadPeer time.Duration
}

// Listen listens on a TCP address, as net.Listen("tcp", address) does.
func (ListenConfig) Listen(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}
