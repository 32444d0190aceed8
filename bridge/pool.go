package bridge

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxIdlePerKey = 32               // kept-alive connections per Upstream.Key
	idleTimeout   = 30 * time.Second // and how long
)

// upstreamConn is a connection to a backend that speaks HTTP/1.1.
type upstreamConn struct {
	net.Conn
	src    source
	key    string
	since  time.Time // in the pool
	reused bool

	look  func(fd uintptr) bool // lookAt, made once for all looks
	quiet bool                  // what the last one showed: open, and nothing to read
}

// pool keeps idle upstream connections, newest first out. The zero value is
// ready. HostClient of fasthttp was not used because it hides the connection,
// and with it what the relay is about: the moment a client is gone, answers that
// come before the request is sent whole, header order, and what was written
// when something failed.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*upstreamConn
	timer  *time.Timer // runs while idle is not empty
	closed bool
}

// take returns an idle connection that is still open and on which nothing has come,
// or nil. Each is looked at, however short its rest was: what a backend says without
// being asked, such as a 408 before it closes or the end of an answer that was longer
// than its length, would be the next client's answer.
func (p *pool) take(key string) *upstreamConn {
	for {
		p.mu.Lock()
		list := p.idle[key]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := list[len(list)-1]
		p.set(key, list[:len(list)-1])
		p.mu.Unlock()
		if c.idleAndOpen() {
			c.reused = true
			return c
		}
		c.Close()
	}
}

// put takes c back, or closes it when there is no room.
func (p *pool) put(c *upstreamConn) {
	if len(c.src.unread()) > 0 { // bytes nobody asked for
		c.src.drop()
		c.Close()
		return
	}
	c.since = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[c.key]
	if p.closed || len(list) >= maxIdlePerKey {
		c.Close()
		return
	}
	if p.idle == nil {
		p.idle = make(map[string][]*upstreamConn)
	}
	p.set(c.key, append(list, c))
	if p.timer == nil {
		p.timer = time.AfterFunc(idleTimeout, p.expire)
	}
}

func (p *pool) set(key string, list []*upstreamConn) {
	if len(list) == 0 {
		delete(p.idle, key)
		return
	}
	p.idle[key] = list
}

// expire closes what was idle for too long.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := time.Now().Add(-idleTimeout)
	for key, list := range p.idle {
		n := 0
		for n < len(list) && !list[n].since.After(oldest) {
			list[n].Close()
			n++
		}
		p.set(key, append(list[:0:0], list[n:]...))
	}
	p.timer = nil
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(idleTimeout/2, p.expire)
	}
}

// closePrefix closes what is idle under keys that begin with prefix.
func (p *pool) closePrefix(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, list := range p.idle {
		if strings.HasPrefix(key, prefix) {
			for _, c := range list {
				c.Close()
			}
			delete(p.idle, key)
		}
	}
}

// close closes everything; what comes back later is closed too.
func (p *pool) close() {
	p.closePrefix("")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// idleAndOpen looks at the socket without waiting: neither an end nor bytes have
// come. Most connections that a backend closed while idle are found here, before
// a request is spent on them.
func (c *upstreamConn) idleAndOpen() bool {
	if c.src.raw == nil {
		return true
	}
	if c.look == nil {
		c.look = c.lookAt
	}
	return c.src.raw.Read(c.look) == nil && c.quiet
}

// lookAt notes what a look at the socket shows.
func (c *upstreamConn) lookAt(fd uintptr) bool {
	c.quiet = peek(fd) == peekNothing
	return true
}

// What a look at a socket shows.
type peeked int

const (
	peekNothing peeked = iota // open, nothing to read
	peekData
	peekEnd // closed or broken
)

// peek looks at a socket's input and leaves it there.
func peek(fd uintptr) peeked {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return peekNothing
		case err == nil && n > 0:
			return peekData
		default:
			return peekEnd
		}
	}
}
