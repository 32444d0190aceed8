package bridge

import (
	"net"
	"syscall"
	"time"
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
}

// socketOf finds the plain socket of a connection, TLS or not; nil if there is
// none.
func socketOf(c net.Conn) syscall.RawConn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// clientEnded looks whether the client's connection is at its end right now.
func clientEnded(c net.Conn) bool {
	raw := socketOf(c)
	if raw == nil {
		return false
	}
	ended := false
	raw.Read(func(fd uintptr) bool {
		ended = peek(fd) == peekEnd
		return true
	})
	return ended
}

// startWatch calls gone if c's peer closes, its sending half included: a client
// that shuts down after its request is taken for gone, as by most servers. A
// pipelined request ends the watch, since nothing can be seen behind it. It
// returns nil where a connection cannot be watched.
func startWatch(c net.Conn, gone func()) *watch {
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
	ended := false
	raw.Read(func(fd uintptr) bool {
		p := peek(fd)
		ended = p == peekEnd
		return p != peekNothing
	})
	if ended {
		gone()
	}
}

// WatchClient has gone called if c's peer closes while nobody reads from c, and
// returns what ends that: stop waits until gone has returned or will not be
// called, and leaves no read deadline. Most work is over before the watch begins
// and costs a timer. Between the two calls c is not read from.
func WatchClient(c net.Conn, gone func()) (stop func()) {
	begun := make(chan *watch, 1)
	timer := time.AfterFunc(watchAfter, func() { begun <- startWatch(c, gone) })
	return func() {
		if !timer.Stop() {
			(<-begun).stop()
		}
	}
}

// stop ends the watch and waits for it. The connection's read deadline is clear
// afterwards; the server sets its own before it reads again.
func (w *watch) stop() {
	if w == nil {
		return
	}
	w.conn.SetReadDeadline(past)
	<-w.done
	w.conn.SetReadDeadline(time.Time{})
}
