package initlink

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"time"

	"edge/sandboxmgr/initproto"
)

// accept takes connections until the listener is closed.
func (l *Link) accept() {
	defer l.wg.Done()
	for failing := false; ; {
		uc, err := l.ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors left, for one
			if !failing {
				l.log.Warn("accept failed", "dir", l.cfg.Dir, "err", err)
			}
			failing = true
			l.pause()
			continue
		}
		failing = false
		if !l.admit(uc) {
			uc.Close()
			l.refused()
		}
	}
}

// admit checks what can be checked without reading a byte, and starts the
// greeting.
func (l *Link) admit(uc *net.UnixConn) bool {
	pid, err := peerPID(uc)
	if err != nil {
		pid = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil || l.peer != 0 && pid != l.peer {
		return false
	}
	if len(l.conns)-l.tunnels-l.streams >= initproto.MaxConns && !l.sweep() {
		return false
	}
	c := &conn{UnixConn: uc, pid: pid}
	l.conns[c] = struct{}{}
	l.strangers = 0
	l.wg.Add(1)
	go l.greet(c)
	return true
}

// sweep drops parked connections whose other end has gone, and tells whether
// that made room. The caller holds mu.
func (l *Link) sweep() bool {
	kept := l.parked[:0]
	for _, c := range l.parked {
		if quiet(c.UnixConn) == nil {
			kept = append(kept, c)
			continue
		}
		c.Close()
		delete(l.conns, c)
	}
	clear(l.parked[len(kept):])
	swept := len(kept) < len(l.parked)
	l.parked = kept
	return swept
}

// refused makes a stranger who connects in a loop wait.
func (l *Link) refused() {
	l.mu.Lock()
	l.strangers++
	tired := l.strangers%strangersPerPause == 0
	l.mu.Unlock()
	if tired {
		l.log.Warn("connections refused", "dir", l.cfg.Dir, "count", strangersPerPause)
		l.pause()
	}
}

func (l *Link) pause() {
	t := time.NewTimer(acceptPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.ended:
	}
}

// greet reads the hello, answers it and parks the connection.
func (l *Link) greet(c *conn) {
	defer l.wg.Done()
	if !l.awaitPeer(c) {
		l.drop(c)
		return
	}
	switch err := l.handshake(c); {
	case err == nil:
		l.park(c)
	case errors.Is(err, initproto.ErrProtocol) || isTimeout(err):
		l.drop(c)
		l.violation(fmt.Errorf("hello: %w", err))
	default: // it went away
		l.drop(c)
	}
}

// awaitPeer waits until it is known which process may connect, and tells
// whether c is that process's.
func (l *Link) awaitPeer(c *conn) bool {
	t := time.NewTimer(l.times.peer)
	defer t.Stop()
	select {
	case <-l.peerKnown:
	case <-l.ended:
		return false
	case <-t.C:
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer == 0 || c.pid == l.peer
}

// handshake reads Hello and writes Welcome.
func (l *Link) handshake(c *conn) error {
	if err := c.SetDeadline(time.Now().Add(l.times.hello)); err != nil {
		return err
	}
	var h initproto.Hello
	if err := initproto.NewReader(c).Head(initproto.TypeHello, initproto.MaxHello, &h); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(h.Token), []byte(l.cfg.Token)) != 1 {
		return fmt.Errorf("%w: wrong token", initproto.ErrProtocol)
	}
	v, err := initproto.Negotiate(h)
	if err != nil {
		return err
	}
	if err := l.known(Hello{Version: v, Boot: h.Boot, Init: h.Init, PID: c.pid}); err != nil {
		return err
	}
	w := initproto.NewWriter(c)
	w.Head(initproto.TypeWelcome, initproto.Welcome{Version: v})
	if err := w.Flush(); err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// known keeps the first hello, and refuses one that comes from another boot:
// whatever that is, it is not the init that the link's owner knows.
func (l *Link) known(h Hello) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hello == nil {
		l.hello = &h
		close(l.ready)
		return nil
	}
	if h.Boot != l.hello.Boot || h.Version != l.hello.Version {
		return fmt.Errorf("%w: another boot of the init", initproto.ErrProtocol)
	}
	return nil
}
