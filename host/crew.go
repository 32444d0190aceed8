package host

import (
	"sync"
	"time"
)

// How many goroutines that serve connections may wait for the next one, how long, and
// how often they are looked through at most.
const (
	maxIdleServers = 128
	idleServerFor  = 5 * time.Second
	dismissEvery   = time.Second
)

// crew are the goroutines that serve connections, one each. One whose connection
// has ended serves the next: its stack has grown already, which a new goroutine's
// does several times on the way through a handshake, each time by a copy. The one
// that waits for the shortest time goes first, so that the others end.
type crew struct {
	serve func(*clientConn)
	all   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	idle   []*server
	timer  *time.Timer // runs while any are idle
	closed bool
}

// server is one goroutine of a crew.
type server struct {
	next  chan *clientConn // closed when it is to end; has room for one
	since time.Time        // idle
}

// take has a connection served, unless the crew is closed.
func (c *crew) take(cc *clientConn) bool {
	c.mu.Lock()
	last := len(c.idle) - 1
	if c.closed || last < 0 {
		defer c.mu.Unlock()
		if !c.closed {
			c.all.Add(1)
			go c.run(&server{next: make(chan *clientConn, 1)}, cc)
		}
		return !c.closed
	}
	s := c.idle[last]
	c.idle[last] = nil
	c.idle = c.idle[:last]
	c.mu.Unlock()
	s.next <- cc
	return true
}

// run serves connections until there have been too few for too long.
func (c *crew) run(s *server, cc *clientConn) {
	defer c.all.Done()
	for more := true; more; cc, more = <-s.next {
		c.serve(cc)
		cc = nil // not kept while it waits
		if !c.rest(s) {
			return
		}
	}
}

// rest has a server wait for its next connection, unless enough others do.
func (c *crew) rest(s *server) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= maxIdleServers {
		return false
	}
	s.since = time.Now()
	c.idle = append(c.idle, s)
	if c.timer == nil {
		c.timer = time.AfterFunc(idleServerFor, c.dismiss)
	}
	return true
}

// dismiss ends the servers that have waited for too long, which stand first.
func (c *crew) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.idle) && time.Since(c.idle[n].since) >= idleServerFor {
		close(c.idle[n].next)
		n++
	}
	c.idle = append([]*server(nil), c.idle[n:]...)
	if c.timer = nil; len(c.idle) > 0 && !c.closed {
		c.timer = time.AfterFunc(max(idleServerFor-time.Since(c.idle[0].since), dismissEvery), c.dismiss)
	}
}

// close ends the servers that wait; the others end with their connections.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	for _, s := range c.idle {
		close(s.next)
	}
	c.idle = nil
}
