package initd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

const (
	// welcomeTimeout is long: an edge that has just started the sandbox may
	// not know our pid yet and keeps us waiting.
	welcomeTimeout = 30 * time.Second
	minBackoff     = 2 * time.Millisecond
	maxBackoff     = 100 * time.Millisecond
	// An edge that has been away for awayAfter is asked for less often: hundreds
	// of inits that look ten times a second cost a core.
	awayAfter   = time.Minute
	awayBackoff = time.Second
)

// fewParked is how many parked connections are so few that more are made while
// those that were taken are at work. Most come back before anybody wants another.
const fewParked = initproto.Parked / 2

var errOrphaned = errors.New("no host for too long")

// server keeps connections to the edge and serves the calls that come over
// them.
type server struct {
	cfg   Config
	log   *slog.Logger
	sup   *supervisor
	ports *portTable
	ops   map[string]handler
	large slots // of large requests
	files slots // of operations with whole files
	walks slots // of operations with whole folders

	checkouts checkouts

	stop context.CancelFunc // ends run
	wake chan struct{}      // has one when another connection may be wanted
	wg   sync.WaitGroup     // converse

	mu       sync.Mutex // guards all below
	conns    map[*net.UnixConn]struct{}
	idle     int // of conns, those that wait for a call
	tunnels  int // of conns, those that became one
	streams  int // of conns, those that became one
	lastHost time.Time
}

// newServer makes a server; stop must end the context that its run gets.
func newServer(cfg Config, sup *supervisor, stop context.CancelFunc) *server {
	s := &server{
		cfg: cfg, log: cfg.Log, sup: sup, stop: stop, ports: newPortTable(sup.processOf),
		large: make(slots, maxLarge), files: make(slots, maxLarge), walks: make(slots, maxLarge),
		wake: make(chan struct{}, 1), conns: make(map[*net.UnixConn]struct{}), lastHost: time.Now(),
	}
	s.ops = s.handlers()
	return s
}

// run keeps connections parked at the edge until ctx ends (nil), or there was
// no host for too long.
func (s *server) run(ctx context.Context) error {
	defer s.wg.Wait()
	defer s.closeAll()
	for backoff := minBackoff; ; {
		if !s.wants() {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		err := s.connect(ctx)
		if err == nil {
			backoff = minBackoff
			continue
		}
		away := s.away()
		if away > s.cfg.OrphanAfter {
			return errOrphaned
		}
		if !sleep(ctx, backoff) {
			return nil
		}
		backoff = min(2*backoff, longestBackoff(away))
	}
}

// longestBackoff is the longest pause between two tries to reach an edge that
// has been away that long.
func longestBackoff(away time.Duration) time.Duration {
	if away > awayAfter {
		return awayBackoff
	}
	return maxBackoff
}

// connect adds one connection.
func (s *server) connect(ctx context.Context) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", filepath.Join(s.cfg.Dir, initproto.SocketName))
	if err != nil {
		return err
	}
	c := nc.(*net.UnixConn)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	version, err := s.handshake(c)
	if err != nil {
		c.Close()
		if errors.Is(err, initproto.ErrProtocol) {
			s.log.Warn("the edge broke the protocol", "err", err)
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	s.idle++
	s.wg.Add(1)
	go s.converse(ctx, c, version)
	return nil
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// wants tells whether another connection should be parked.
func (s *server) wants() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle < initproto.Parked && len(s.conns)-s.tunnels-s.streams < initproto.MaxConns
}

// away is how long there has been no host; 0 while there is one.
func (s *server) away() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) > 0 {
		return 0
	}
	return time.Since(s.lastHost)
}

// taken, parked, tunnelled, untunnelled and hangUp keep count of a connection's
// life: parked, taken for a call, parked again or become a tunnel, ended.
// mayStream and unstreamed do so for streams.
func (s *server) taken() {
	s.mu.Lock()
	s.idle--
	few := s.idle < fewParked
	s.mu.Unlock()
	if few {
		s.look()
	}
}

func (s *server) parked() { s.count(&s.idle, +1) }

func (s *server) tunnelled() { s.count(&s.tunnels, +1) }

func (s *server) untunnelled() { s.count(&s.tunnels, -1) }

func (s *server) unstreamed() { s.count(&s.streams, -1) }

func (s *server) count(which *int, by int) {
	s.mu.Lock()
	*which += by
	s.mu.Unlock()
	s.look()
}

// mayStream counts one more stream if there may be one.
func (s *server) mayStream() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams >= initproto.MaxStreams {
		return false
	}
	s.streams++
	return true
}

func (s *server) hangUp(c *net.UnixConn) {
	c.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.lastHost = time.Now()
	s.mu.Unlock()
	s.look()
}

// look has run see whether another connection is wanted.
func (s *server) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *server) mayTunnel() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tunnels < initproto.MaxTunnels
}

// terminate ends the sandbox as SIGTERM to process 1 asks.
func (s *server) terminate(ctx context.Context) {
	s.log.Info("terminating")
	s.sup.shutdown(ctx, defaultSignal, abi.DefaultGrace)
	s.stop()
}
