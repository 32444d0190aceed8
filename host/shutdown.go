package host

import (
	"context"
	"fmt"
	"time"
)

// Shutdown ends the server: it stops accepting and answers /readyz with 503,
// lets what is under way go on for DrainTimeout, then closes WebSockets with
// code 1001 between two frames and breaks the rest off. It returns when nothing
// runs any more, or with ctx's error. A second call, while the first waits,
// skips the waiting.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(s.prepare)
	if !s.beginShutdown() {
		select { // the first call does the work
		case <-s.base.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.conns.shut(false)
	s.awaitQuiet(ctx)
	s.closeBridges(ctx)
	s.cancel(errForced)
	s.conns.shut(true)
	s.crew.close()
	err := s.join(ctx)
	if s.AccessLog != nil {
		s.AccessLog.Flush()
	}
	if err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

// closeBridges closes what is live in the bridge; what does not end within
// closeTimeout is cut by it.
func (s *Server) closeBridges(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := s.carrier.Shutdown(ctx); err != nil {
		s.Log.Info("connections were cut", "reason", err)
	}
}

// closeTimeout is how long the closing handshakes of WebSockets may take.
const closeTimeout = 3 * time.Second

// beginShutdown closes the listeners, or, when that was done before, forces the
// shutdown under way and reports false.
func (s *Server) beginShutdown() (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		if !s.twice {
			s.twice = true
			close(s.forced)
		}
		return false
	}
	s.stopped = true
	s.draining.Store(true)
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
	return true
}

// awaitQuiet waits until no request and no bridge is left, for DrainTimeout at
// most.
func (s *Server) awaitQuiet(ctx context.Context) {
	timer := time.NewTimer(s.DrainTimeout)
	defer timer.Stop()
	for s.live.Load() > 0 || s.conns.count() > 0 {
		select {
		case <-s.quiet:
		case <-timer.C:
			return
		case <-s.forced:
			return
		case <-ctx.Done():
			return
		}
	}
}

// wakeShutdown tells awaitQuiet to look again.
func (s *Server) wakeShutdown() {
	if !s.draining.Load() {
		return
	}
	select {
	case s.quiet <- struct{}{}:
	default:
	}
}

// join waits for the goroutines that serve connections.
func (s *Server) join(ctx context.Context) error {
	joined := make(chan struct{})
	go s.awaitServing(joined)
	select {
	case <-joined:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitServing ends with the last connection, later than join if that gave up.
func (s *Server) awaitServing(joined chan<- struct{}) {
	s.crew.all.Wait()
	close(joined)
}
