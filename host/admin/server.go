package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// errShutdown is the cause of what ends because the server does.
var errShutdown = errors.New("the edge is shutting down")

// maxHeadBytes bounds a request's head, roughly: net/http adds 4 KiB.
const maxHeadBytes = 32 << 10

// pace is how long things may take.
type pace struct {
	head   time.Duration // a whole request head
	idle   time.Duration // between two requests on a connection
	body   time.Duration // a client's silence in the middle of a call's body
	upload time.Duration // and of an upload's
	answer time.Duration // how long a piece of an answer may stay unread
	drain  time.Duration // how long the rest of a body that is not wanted is awaited, and taken after the answer
	first  time.Duration // until a WebSocket's first message
	// keepAlive is how often a silent event stream says that it is alive, ping
	// how often a WebSocket is pinged: it keeps proxies from closing them, and
	// shows a client that is gone.
	keepAlive, ping time.Duration
	close           time.Duration // how long a stream that is ended may take to say so
}

var defaultPace = pace{
	head: 10 * time.Second, idle: 2 * time.Minute, body: 30 * time.Second, upload: 5 * time.Minute, answer: time.Minute,
	drain: time.Second, first: 10 * time.Second, keepAlive: 15 * time.Second, ping: 30 * time.Second, close: 3 * time.Second,
}

// prepare fills defaults in, once.
func (s *Server) prepare() {
	discard := slog.New(slog.DiscardHandler)
	if s.Log == nil {
		s.Log = discard
	}
	if s.AccessLog == nil {
		s.AccessLog = discard
	}
	if s.MaxStreams <= 0 {
		s.MaxStreams = DefaultMaxStreams
	}
	if s.pace == (pace{}) {
		s.pace = defaultPace
	}
	if s.maxModule == 0 {
		s.maxModule = MaxModuleBytes
	}
	s.ids.init()
	s.bodies = newBodyPlaces(maxLargeBodies, maxLargeWaiting)
	s.resources = resources()
	s.document = sync.OnceValues(s.describe)
	s.base, s.cancelBase = context.WithCancelCause(context.Background())
	s.calm, s.becalm = context.WithCancelCause(s.base)
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: s.pace.head,
		IdleTimeout:       s.pace.idle,
		MaxHeaderBytes:    maxHeadBytes,
		BaseContext:       func(net.Listener) context.Context { return s.base },
		ConnContext:       withConn,
		ConnState:         connState,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		// OPTIONS * would be answered without a look at who asks.
		DisableGeneralOptionsHandler: true,
	}
}

// Serve answers whoever shows the token, until Shutdown; then it returns nil. It
// closes ln.
func (s *Server) Serve(ln net.Listener) error {
	s.once.Do(s.prepare)
	if len(s.Token) < minTokenLength {
		_ = ln.Close()
		return fmt.Errorf("serve admin API on %s: a token of at least %d characters is needed there", ln.Addr(), minTokenLength)
	}
	return s.accept(listener{ln, s, false})
}

// ServeUnix answers root and the user that the edge runs as, and no token is
// needed, until Shutdown; then it returns nil. It closes ln, which is a Unix
// socket's. Only Linux names a socket's peer; elsewhere this fails.
func (s *Server) ServeUnix(ln net.Listener) error {
	s.once.Do(s.prepare)
	if errNoPeers != nil {
		_ = ln.Close()
		return fmt.Errorf("serve admin API on %s: %w", ln.Addr(), errNoPeers)
	}
	return s.accept(listener{ln, s, true})
}

func (s *Server) accept(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin API: %w", err)
	}
	return nil
}

// Shutdown ends the server: it stops accepting, closes event streams and
// WebSockets (with 1001), and waits for calls, uploads and downloads. When ctx
// ends first they are broken off, and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(s.prepare)
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.becalm(errShutdown)
	err := s.http.Shutdown(ctx)
	if err == nil {
		err = s.join(ctx)
	}
	s.cancelBase(errShutdown)
	if err != nil {
		_ = s.http.Close()
		return fmt.Errorf("shut down admin API: %w", err)
	}
	return nil
}

// enter counts a request; false once Shutdown began.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.serving.Add(1)
	return true
}

// join waits for every request.
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

// awaitServing ends with the last request, later than join if that gave up.
func (s *Server) awaitServing(joined chan<- struct{}) {
	s.serving.Wait()
	close(joined)
}
