package host

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"edge/abi"
)

// Serve accepts connections until Shutdown, and then returns nil. It owns ln
// and closes it. Several listeners may be served at the same time.
//
// When nothing can be accepted, for want of file descriptors most likely, it
// pauses and tries again; those who want to connect wait in the kernel's queue
// meanwhile, and what is open goes on.
func (s *Server) Serve(ln net.Listener) error { return s.serveAt(ln, &entry{}) }

// serveAt is Serve with what stands between a connection and its first request.
func (s *Server) serveAt(ln net.Listener, e *entry) error {
	s.once.Do(s.prepare)
	defer ln.Close()
	s.mu.Lock()
	s.listeners = append(s.listeners, ln)
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return nil
	}
	for pause := time.Duration(0); ; {
		c, err := ln.Accept()
		switch {
		case err == nil:
			if pause > 0 {
				s.shortage.over(s.Log)
			}
			pause = 0
			s.admit(c, e)
		case s.draining.Load():
			return nil
		case !transient(err):
			return err
		default:
			pause = min(max(2*pause, minPause), maxPause) // at once it would only spin
			s.shortage.tell(s.Log, "accepting is paused", err)
			s.observePause(pause)
			select {
			case <-time.After(pause):
			case <-s.base.Done():
				return nil
			}
		}
	}
}

// How long accepting is paused: who waits in the kernel's queue does so for
// maxPause longer at most than there is no descriptor.
const (
	minPause = 5 * time.Millisecond
	maxPause = 100 * time.Millisecond
)

// transient tells whether accepting may work again later. accept(2) gives out what
// befell the connection too, so that only what is wrong with the listener ends it.
func transient(err error) bool {
	for _, broken := range []error{net.ErrClosed, syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK} {
		if errors.Is(err, broken) {
			return false
		}
	}
	var ne net.Error
	return errors.As(err, &ne)
}

// admit starts serving one connection.
func (s *Server) admit(c net.Conn, e *entry) {
	cc := &clientConn{Conn: c, raw: c, entry: e, stall: s.BodyTimeout, patience: s.patience}
	if !s.conns.add(cc) {
		_ = c.Close()
		return
	}
	if !s.crew.take(cc) {
		s.conns.remove(cc)
		_ = c.Close()
	}
}

// serveConn serves one connection until it is closed or a bridge has taken it.
func (s *Server) serveConn(c *clientConn) {
	err := s.open(c)
	if err == nil {
		err = s.http.ServeConn(c)
	} else {
		_ = c.raw.Close()
	}
	if err != nil && !errors.Is(err, errFraming) && !errors.Is(err, errGiven) {
		s.Log.Debug("connection ended", "remote", c.RemoteAddr(), "error", err)
	}
	s.conns.remove(c)
	s.wakeShutdown()
}

// shortage tells of a want that hits everybody at the same time: once when it
// comes and once when it is over, and not for each whom it hits.
type shortage struct {
	mu    sync.Mutex
	told  time.Time // when it was last told of
	since time.Time // when the one that was told of began; zero when it is over
	times int       // what happened since then and was not told
}

// tellAgain is after how long a shortage is told of once more.
const tellAgain = 30 * time.Second

// tell logs what happened, if it is time to.
func (s *shortage) tell(log *slog.Logger, what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.told.IsZero() && now.Sub(s.told) < tellAgain {
		s.times++
		return
	}
	log.Warn(what, "error", err, "more", s.times)
	s.told, s.times = now, 0
	if s.since.IsZero() {
		s.since = now
	}
}

// over logs that a shortage is over, if it was told of.
func (s *shortage) over(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return
	}
	log.Info("accepting again", "after", time.Since(s.since).Round(time.Millisecond), "more", s.times)
	s.since, s.times = time.Time{}, 0
}

// outOfDescriptors tells whether an error means that this process, or this
// machine, can open no further connection for now.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// errDescriptors is how a client is told of that.
func errDescriptors() *abi.Error {
	e := abi.Errorf(abi.CodeRuntimeUnavailable, "the edge has no file descriptor left for another connection").
		WithSuggestion("try again in a moment")
	e.RetryAfterMs = retryLater
	return e
}
