package host

import (
	"context"
	"sync"
	"time"
)

// The reserved paths, on every host that is not a preview's. They come before
// the routes, so that whoever watches the edge need not know its plugins.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// serveReserved answers /healthz (200 as long as requests are served at all) and
// /readyz (200 when new ones are welcome), and tells whether it did.
func (x *exchange) serveReserved() bool {
	if x.head.path != healthPath && x.head.path != readyPath {
		return false
	}
	ownAnswer(&x.rc.Response)
	body, status := "ok\n", 200
	if x.head.path == readyPath {
		if why := x.s.notReady(&x.ctx); why != "" {
			body, status = why+"\n", 503
			x.rc.Response.Header.Set("Retry-After", "1")
		}
	}
	x.rc.Response.SetStatusCode(status)
	x.rc.Response.Header.SetContentType("text/plain; charset=utf-8")
	x.rc.Response.Header.Set("Cache-Control", "no-store")
	x.rc.Response.SetBodyString(body)
	return true
}

// readiness keeps the last answer of the runtimes for a second: anybody can ask
// /readyz as often as they like.
type readiness struct {
	mu  sync.Mutex
	at  time.Time
	why string
}

const (
	readyFor     = time.Second
	readyTimeout = 2 * time.Second
)

// notReady says why new requests are not welcome, or "". The reasons are fixed
// words; what exactly is wrong is in the log.
func (s *Server) notReady(ctx context.Context) string {
	switch {
	case s.draining.Load():
		return "draining"
	case s.routes.Load() == nil:
		return "no routes yet"
	}
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if time.Since(s.ready.at) < readyFor {
		return s.ready.why
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	s.ready.why = ""
	if s.Ready != nil {
		if err := s.Ready(ctx); err != nil {
			s.Log.Warn("not ready", "error", err)
			s.ready.why = "plugins are not ready"
		}
	}
	if s.ready.why == "" && s.boxes != nil {
		if err := s.boxes.Ready(ctx); err != nil {
			s.Log.Warn("not ready", "error", err)
			s.ready.why = "the sandbox runtime does not answer"
		}
	}
	s.ready.at = time.Now()
	return s.ready.why
}
