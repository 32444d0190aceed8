// Package initrelay lets an init reach an edge that shares no file system with it:
// an engine on another computer, or in a virtual machine.
//
// Inside the sandbox, Serve stands where the edge's socket would be and carries
// each connection of the init over one byte stream, the engine's exec, to Join
// at the edge, which connects it to the edge's own socket:
//
//	init --unix--> Serve ==yamux over the engine's exec==> Join --unix--> edge
//
// # On one stream
//
// A connection of the init is one yamux stream. Each direction of it is frames
//
//	u16 length (big-endian), then that many bytes
//
// and a length of 0 when the direction has ended, so that "hi" and the end are
// 0002 6869 0000. A stream that is closed without that end says that its side
// has gone altogether: yamux alone cannot tell a half-closed connection from one
// whose owner has left, and the init cancels work by that difference.
//
// What comes from inside is not trusted: lengths are bounded by their size, and
// memory by yamux's window for each stream and by MaxStreams.
package initrelay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// Command is the init's argument that makes it a relay.
const Command = "relay"

// MaxStreams bounds the connections that are carried at once, both in Serve and
// in Join; further ones are closed at once. It is more than all that an init and
// its edge allow each other.
const MaxStreams = 2048

// Bounds on a session.
const (
	keepAlive    = 10 * time.Second // between two signs of life
	writeTimeout = 30 * time.Second // what one write may take, and a sign of life its answer
)

// session makes rw a yamux session; the one inside opens streams.
func session(rw io.ReadWriteCloser, inside bool) (*yamux.Session, error) {
	cfg := yamux.DefaultConfig()
	cfg.KeepAliveInterval = keepAlive
	cfg.ConnectionWriteTimeout = writeTimeout
	cfg.StreamCloseTimeout = 0 // a direction that has ended says nothing about the other
	cfg.StreamOpenTimeout = writeTimeout
	cfg.LogOutput = io.Discard // what it would say comes back as an error as well
	if inside {
		return yamux.Client(rw, cfg)
	}
	return yamux.Server(rw, cfg)
}

// Serve listens on the Unix socket, in place of one that an earlier relay left,
// and carries what process pid connects (0: any) over rw, until rw ends or ctx
// does. It closes rw. The end of the other side is no error.
func Serve(ctx context.Context, rw io.ReadWriteCloser, socket string, pid int) error {
	ln, err := listen(socket)
	if err != nil {
		rw.Close()
		return err
	}
	return serve(ctx, rw, ln, pid)
}

// serve is Serve on a listener, which it closes.
func serve(ctx context.Context, rw io.ReadWriteCloser, ln *net.UnixListener, pid int) error {
	defer rw.Close()
	defer ln.Close()
	s, err := session(rw, true)
	if err != nil {
		return err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.Close() // ends what is carried
	wg.Go(func() { closeWith(s, ln) })
	slots := make(chan struct{}, MaxStreams)
	for {
		c, err := ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if !from(c, pid) || !take(slots) {
			c.Close()
			continue
		}
		st, err := s.OpenStream()
		if err != nil {
			c.Close()
			return ended(err)
		}
		wg.Go(func() { carry(c, st, slots) })
	}
}

// closeWith closes the listener when the session has ended, so that nobody waits
// at a socket that leads nowhere.
func closeWith(s *yamux.Session, ln io.Closer) {
	<-s.CloseChan()
	ln.Close()
}

// listen opens the socket for every user. A later relay's socket is left where
// it is when this one's listener is closed.
func listen(socket string) (*net.UnixListener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace the socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	ln.SetUnlinkOnClose(false)
	if err := os.Chmod(socket, 0o666); err != nil {
		ln.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return ln, nil
}

// Join connects each connection that comes over rw to what dial returns, until
// rw ends or ctx does, and closes rw. The end of the other side is no error. log
// may be nil.
func Join(ctx context.Context, rw io.ReadWriteCloser, dial func(context.Context) (*net.UnixConn, error), log *slog.Logger) error {
	defer rw.Close()
	s, err := session(rw, false)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.Close() // ends what is carried
	slots := make(chan struct{}, MaxStreams)
	for {
		st, err := s.AcceptStream()
		if err != nil {
			return ended(err)
		}
		if !take(slots) {
			st.Close()
			continue
		}
		wg.Go(func() { connect(ctx, st, dial, slots, log) })
	}
}

// connect carries one stream to the connection that dial returns.
func connect(ctx context.Context, st *yamux.Stream, dial func(context.Context) (*net.UnixConn, error), slots chan struct{}, log *slog.Logger) {
	c, err := dial(ctx)
	if err != nil {
		if log != nil {
			log.Debug("relay: the edge's socket does not answer", "error", err)
		}
		st.Close()
		<-slots
		return
	}
	carry(c, st, slots)
}

// carry carries one connection and gives its slot back.
func carry(c *net.UnixConn, st *yamux.Stream, slots chan struct{}) {
	(&pair{conn: c, stream: st}).run()
	<-slots
}

func take(slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// ended makes nil of the errors by which a session says that it is over.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, yamux.ErrSessionShutdown) || errors.Is(err, yamux.ErrConnectionReset) ||
		errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
