package bridge

import (
	"net"
	"sync"
	"syscall"
	"time"

	"edge/bridge/socket"
)

// watchAfter is how long an exchange waits for its backend before it begins to
// watch whether its client is still there. Most answers come sooner, and cost
// nothing for it.
const watchAfter = 100 * time.Millisecond

// watch is a goroutine that waits for a client to close while nobody reads from
// it. fasthttp does not tell.
type watch struct {
	conn net.Conn
	done chan struct{}
	quit chan struct{} // of a leaver's; nil for a socket
}

// leaver is a connection without a socket, such as one in memory, that tells by
// itself when its peer has closed it.
type leaver interface{ Gone() <-chan struct{} }

// socketOf finds the plain socket of a connection, TLS or not; nil if there is
// none.
func socketOf(c net.Conn) syscall.RawConn {
	s, ok := beneath(c).(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// beneath is what a connection is made upon in the end, as far as it says so.
func beneath(c net.Conn) net.Conn {
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = t.NetConn()
	}
}

// clientEnded looks whether the client's connection is at its end right now.
func clientEnded(c net.Conn) bool {
	raw := socketOf(c)
	if raw == nil {
		return false
	}
	ended, over := false, sealed(unwrap(c))
	raw.Read(func(fd uintptr) bool {
		p := peek(fd)
		ended = p == peekEnd || p == peekData && over && socket.HungUp(fd)
		return true
	})
	return ended
}

// startWatch calls gone if c's peer closes, its sending half included: a client
// that shuts down after its request is taken for gone, as by most servers. A
// pipelined request ends the watch, since nothing can be seen behind it; on TLS,
// where a farewell comes before the end, the end counts whatever stands before it. It
// returns nil where a connection cannot be watched.
func startWatch(c net.Conn, gone func()) *watch {
	if l, ok := beneath(c).(leaver); ok {
		w := &watch{conn: c, done: make(chan struct{}), quit: make(chan struct{})}
		go w.await(l, gone)
		return w
	}
	raw := socketOf(c)
	if raw == nil {
		return nil
	}
	w := &watch{conn: c, done: make(chan struct{})}
	go w.run(raw, gone)
	return w
}

func (w *watch) run(raw syscall.RawConn, gone func()) {
	defer close(w.done)
	ended, over := false, sealed(unwrap(w.conn))
	raw.Read(func(fd uintptr) bool {
		p := peek(fd)
		ended = p == peekEnd || p == peekData && over && socket.HungUp(fd)
		return ended || p == peekData && !over
	})
	if ended {
		gone()
	}
}

// await is run for a connection that tells by itself.
func (w *watch) await(l leaver, gone func()) {
	defer close(w.done)
	select {
	case <-l.Gone():
		gone()
	case <-w.quit:
	}
}

// Watcher has somebody called when a client goes away whom nobody reads from. Most
// work is over before a watch begins: until then a client is an entry in a list
// that one timer looks at. The zero value is ready.
type Watcher struct {
	mu    sync.Mutex // guards what follows and each Watched
	first *Watched
	clock lookout
}

// Watched is a client that is watched. It is not copied while it is.
type Watched struct {
	prev, next *Watched
	conn       net.Conn
	gone       func()
	looks      int
	w          *watch
}

// Watch has gone called if c's peer closes, its sending half included, before Stop
// is called. c is not read from until then.
func (w *Watcher) Watch(n *Watched, c net.Conn, gone func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n = Watched{next: w.first, conn: c, gone: gone}
	if n.next != nil {
		n.next.prev = n
	}
	w.first = n
	if !w.clock.ticking {
		w.clock.start(w.look)
	}
}

// look begins to watch whoever has been here for watchAfter.
func (w *Watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := w.first; n != nil; n = n.next {
		if n.looks++; n.w == nil && n.looks > int(watchAfter/lookEvery) {
			n.w = startWatch(n.conn, n.gone)
		}
	}
	w.clock.goOn(w.first != nil)
}

// Stop ends a Watch: it waits until gone has returned or will not be called, and
// leaves no read deadline.
func (w *Watcher) Stop(n *Watched) {
	w.mu.Lock()
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		w.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	started := n.w
	*n = Watched{}
	w.mu.Unlock()
	started.stop()
}

// stop ends the watch and waits for it. The connection's read deadline is clear
// afterwards; the server sets its own before it reads again.
func (w *watch) stop() {
	if w == nil {
		return
	}
	if w.quit != nil {
		close(w.quit)
		<-w.done
		return
	}
	w.conn.SetReadDeadline(past)
	<-w.done
	w.conn.SetReadDeadline(time.Time{})
}
