// Package initlink is the edge's end of the connections that a sandbox's init
// opens (package initd is the other end, package initproto what they say).
//
// A Link listens on a Unix socket in a directory that the sandbox sees
// read-only. The init connects out and keeps a few connections parked; Call
// takes one, carries one call over it and parks it again; Tunnel takes one for
// good and makes it carry bytes to a port inside, Open makes one a stream of
// messages.
//
// Nothing that comes over these connections is trusted, for the sandbox's code
// can reach the socket as well: a connection must come from the init's process,
// show the generation's token and keep the boot id of the first; every read has
// a bound and a deadline; descriptors that are sent along are dropped by the
// kernel because no read offers room for them. Whoever breaks the protocol
// loses the connection, and ten times in ten seconds make the Link Broken.
package initlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"edge/sandboxmgr/initproto"
)

// Errors of a Link, wrapped.
var (
	// ErrClosed: the Link was closed.
	ErrClosed = errors.New("link closed")
	// ErrBroken: the init broke the protocol too often; the sandbox should be
	// replaced.
	ErrBroken = errors.New("init broke the protocol too often")
	// ErrUnsent: the init was not there to be sent the call, so that nothing
	// was done. Wrapped beside the reason.
	ErrUnsent = errors.New("call was not sent")
	// ErrLost: the connection ended in the middle of a call, which may have
	// been carried out. The init has ended or gave up.
	ErrLost = errors.New("init closed the connection")
)

// timing are a link's bounds in time. A call has its own deadline, and grace on
// top, in which the init can say what came of it.
type timing struct {
	hello  time.Duration // from accepting to the whole hello
	frame  time.Duration // between two pieces of one answer
	write  time.Duration
	dial   time.Duration // of a tunnel
	answer time.Duration // a whole answer, from its first byte on, when the call has no deadline
	grace  time.Duration
	peer   time.Duration // how long a connection waits for SetPeer
}

var usualTiming = timing{
	hello: 2 * time.Second, frame: 2 * time.Second, write: 2 * time.Second, dial: 2 * time.Second,
	answer: 30 * time.Second, grace: 500 * time.Millisecond, peer: 30 * time.Second,
}

// acceptPause is how long accepting rests when it fails or strangers come in
// numbers.
const acceptPause = 10 * time.Millisecond

const (
	// maxSocketPath is what fits sockaddr_un with its NUL.
	maxSocketPath = 107
	// maxIdle is how many connections are kept parked after a burst.
	maxIdle = 16
	// reservedConns are kept from calls that can take long, so that a killProcess
	// gets through to a sandbox however many wait for its processes.
	reservedConns = 8
	// strangersPerPause is how many refused connections in a row are closed at
	// once before the accepting pauses, so that connecting in a loop inside
	// costs the edge little.
	strangersPerPause = 64
)

// Config says where to listen and what to demand.
type Config struct {
	// Dir gets the socket "s". It is made (0755) if it is missing. The
	// socket's path must not be longer than 107 bytes.
	Dir string
	// Token is what the init must show; not empty.
	Token string
	// Log gets one line for each violation; nil discards.
	Log *slog.Logger
}

// Hello is who connected.
type Hello struct {
	Version int    // the negotiated protocol version
	Boot    string // another one each time an init starts
	Init    string // the init's release
	PID     int    // as the kernel told; 0 where it cannot
}

// Link is the edge's end of one init. All methods may be called at the same
// time.
type Link struct {
	cfg   Config
	times timing
	log   *slog.Logger
	ln    *net.UnixListener
	ended chan struct{} // closed when the link is closed or broken
	ready chan struct{} // closed when hello is set
	long  chan struct{} // has one for each call under way that can take long
	large chan struct{} // and for each with a large body
	wg    sync.WaitGroup

	mu         sync.Mutex // guards all below
	peer       int
	peerKnown  chan struct{} // closed by the first SetPeer
	hello      *Hello
	conns      map[*conn]struct{}
	tunnels    int          // of conns, how many are tunnels
	streams    int          // of conns, how many are streams
	parked     []*conn      // the last one is taken first
	waiters    []chan *conn // the first one is served first
	strangers  int          // refused in a row
	violations []time.Time  // of the last ten seconds
	paused     bool         // the sandbox is frozen
	excused    time.Time    // until when violations do not count
	err        error        // ErrClosed or ErrBroken, once ended
	closed     bool
}

// conn is one admitted connection.
type conn struct {
	*net.UnixConn
	pid int
	use use // guarded by Link.mu
}

// use is what a connection has become.
type use int

const (
	useCalls use = iota
	useTunnel
	useStream
)

// Open listens on cfg.Dir/s, in place of a socket that an earlier edge left. The
// caller owns the Link and closes it.
func Open(cfg Config) (*Link, error) { return open(cfg, usualTiming) }

func open(cfg Config, times timing) (*Link, error) {
	if cfg.Token == "" {
		return nil, errors.New("open link: the token is empty")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ln, err := listen(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	l := &Link{
		cfg: cfg, times: times, log: cfg.Log, ln: ln,
		ended: make(chan struct{}), ready: make(chan struct{}), peerKnown: make(chan struct{}),
		long: make(chan struct{}, initproto.MaxConns-reservedConns), large: make(chan struct{}, initproto.MaxLarge),
		conns: make(map[*conn]struct{}),
	}
	l.wg.Add(1)
	go l.accept()
	return l, nil
}

// listen makes the socket under another name and moves it into place: a stale
// one is replaced, there is no moment without one, and one that a successor has
// put there is never removed.
func listen(dir string) (*net.UnixListener, error) {
	path := filepath.Join(dir, initproto.SocketName)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket path %s is %d bytes long and the system allows %d: choose a state directory with a shorter path",
			path, len(path), maxSocketPath)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	next := filepath.Join(dir, "n")
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: next, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	err = os.Chmod(next, 0o666)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// SetPeer says which process the init is; connections from others are refused
// from then on, and those there are closed. 0 means that it cannot be known and
// is not checked. Until SetPeer is called, connections wait.
func (l *Link) SetPeer(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peer = pid
	select {
	case <-l.peerKnown:
	default:
		close(l.peerKnown)
	}
	for c := range l.conns {
		if pid != 0 && c.pid != pid {
			c.Close() // whoever uses it drops it
		}
	}
}

// Ready waits for the first good hello and returns it.
func (l *Link) Ready(ctx context.Context) (Hello, error) {
	select {
	case <-l.ended:
	case <-l.ready:
	case <-ctx.Done():
		return Hello{}, fmt.Errorf("wait for the init: %w", ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return Hello{}, l.err
	}
	return *l.hello, nil
}

// Broken tells whether the init broke the protocol ten times in ten seconds.
// Such a link answers ErrBroken to everything.
func (l *Link) Broken() bool { return errors.Is(l.reason(), ErrBroken) }

// Close closes every connection, tunnels and streams included, and waits for the link's
// goroutines. Calls that are under way return ErrClosed. The socket file stays:
// it may be a successor's by now. Closing again does nothing.
func (l *Link) Close() error {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return nil
	}
	l.end(ErrClosed)
	l.wg.Wait()
	return nil
}

// end makes err the answer to everything and closes what there is, the listener
// included.
func (l *Link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.ended)
	if err := l.ln.Close(); err != nil {
		l.log.Warn("close the init's socket", "dir", l.cfg.Dir, "err", err)
	}
	for c := range l.conns {
		c.Close()
	}
	l.parked = nil
}

// reason returns why the link ended, nil while it has not.
func (l *Link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
