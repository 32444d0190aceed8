package initlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"edge/sandboxmgr/initproto"
)

// take returns a connection that is ready for a call, waiting for one within
// ctx. The caller parks or drops it.
func (l *Link) take(ctx context.Context) (*conn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("wait for a connection of the init: %w", err)
		}
		c, w, err := l.pick()
		if err != nil {
			return nil, err
		}
		if c == nil {
			select {
			case c = <-w:
			case <-ctx.Done():
				l.leave(w)
				continue
			case <-l.ended:
				return nil, l.reason()
			}
		}
		switch err := quiet(c.UnixConn); {
		case err == nil:
			return c, nil
		case errors.Is(err, initproto.ErrProtocol):
			l.drop(c)
			l.violation(err)
		default: // its other end has gone
			l.drop(c)
		}
	}
}

// pick returns the parked connection that was used last, or a place in the
// queue of those who wait for one.
func (l *Link) pick() (*conn, chan *conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, nil, l.err
	}
	if n := len(l.parked); n > 0 {
		c := l.parked[n-1]
		l.parked[n-1] = nil
		l.parked = l.parked[:n-1]
		return c, nil, nil
	}
	w := make(chan *conn, 1)
	l.waiters = append(l.waiters, w)
	return nil, w, nil
}

// leave gives a place in the queue up. A connection that was handed over in
// between goes to the next.
func (l *Link) leave(w chan *conn) {
	l.mu.Lock()
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
	}
	l.mu.Unlock()
	select {
	case c := <-w:
		l.park(c)
	default:
	}
}

// park makes c available, to who waits longest if somebody does.
func (l *Link) park(c *conn) {
	l.mu.Lock()
	switch {
	case l.err != nil || len(l.waiters) == 0 && len(l.parked) >= maxIdle && !l.sweep():
		l.mu.Unlock()
		l.drop(c)
		return
	case len(l.waiters) > 0:
		l.waiters[0] <- c // never blocks: one place, one connection
		l.waiters = slices.Delete(l.waiters, 0, 1)
	default:
		l.parked = append(l.parked, c)
	}
	l.mu.Unlock()
}

// drop closes c and forgets it. Dropping again does nothing.
func (l *Link) drop(c *conn) {
	c.UnixConn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.conns[c]; !ok {
		return
	}
	delete(l.conns, c)
	switch c.use {
	case useTunnel:
		l.tunnels--
	case useStream:
		l.streams--
	}
}

// quiet tells whether nothing has come over a parked connection: nil if so,
// io.EOF if it was closed, a violation if there are bytes nobody asked for. It
// reads nothing and does not wait.
func quiet(c *net.UnixConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var peek error
	err = rc.Control(func(fd uintptr) {
		var b [1]byte
		n, _, peek = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	switch {
	case err != nil:
		return err
	case peek == syscall.EAGAIN || peek == syscall.EINTR:
		return nil
	case peek != nil:
		return peek
	case n == 0:
		return io.EOF
	}
	return fmt.Errorf("%w: bytes that nobody asked for", initproto.ErrProtocol)
}
