package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// eventInterval is the time between two events; each goes to the next one of the
// clients, so that none waits for another's write.
const eventInterval = 500 * time.Microsecond

// echoCommand is the backend as a program: `edge-bench echo`. It pins itself,
// because a sandbox may have nothing that would.
func echoCommand(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:9000", "address to listen on")
	core := flags.Int("core", -1, "core to run on; -1 is any")
	if err := flags.Parse(args); err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(*listen)
	if err != nil {
		return err
	}
	if *core >= 0 {
		if err := pinProcess(*core); err != nil {
			return err
		}
	}
	// Nothing is allocated once the connections are there.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(1 << 30)
	e, err := newEcho(addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "listening on %s, core %d\n", addr, *core)
	return e.serve(ctx)
}

// echo is the backend: one thread, one poller. It answers WebSockets with what
// they send, and the paths of echo_http.go.
type echo struct {
	poller   *poller
	listener int
	conns    []*echoConn // by descriptor; closed ones are used again
	buf      []byte      // of one read, after headroom

	small, large, missing []byte // whole answers

	clock  clock
	ticker *ticker
	events []*echoConn // clients of pathEvents, in turn
	turn   int
	chunk  []byte
}

// echoConn is one connection.
type echoConn struct {
	fd     int
	open   bool
	frames bool // a WebSocket by now
	events bool // a stream of events by now
	eof    bool // the client has sent all; closed once everything is answered
	head   []byte
	stream echoStream
	// out is what the socket did not take yet; nothing is read meanwhile. own is
	// where it is kept if it is not one of echo's whole answers.
	out, own []byte
}

// readSize is what the backend reads at once.
const readSize = 256 << 10

// newEcho listens on addr; serve takes over.
func newEcho(addr netip.AddrPort) (*echo, error) {
	e := &echo{
		buf:   make([]byte, headroom+readSize),
		small: wholeAnswer("200 OK", pattern(smallBody)), large: wholeAnswer("200 OK", pattern(largeBody)), missing: wholeAnswer("404 Not Found", nil),
		chunk: make([]byte, 0, 64),
	}
	var err error
	if e.clock, err = newClock(); err != nil {
		return nil, err
	}
	if e.poller, err = newPoller(); err != nil {
		return nil, err
	}
	if e.listener, err = listenTCP(addr); err != nil {
		e.poller.close()
		return nil, err
	}
	if e.ticker, err = newTicker(e.clock.now()+int64(eventInterval), eventInterval); err == nil {
		err = e.poller.watch(unix.EPOLL_CTL_ADD, e.listener, e.listener, unix.EPOLLIN)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// addr is where e listens.
func (e *echo) addr() (netip.AddrPort, error) {
	sa, err := unix.Getsockname(e.listener)
	if err != nil {
		return netip.AddrPort{}, err
	}
	in, ok := sa.(*unix.SockaddrInet4)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("listening on a %T", sa)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)), nil
}

// serve answers until ctx ends, and closes everything.
func (e *echo) serve(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer e.close()
	for ctx.Err() == nil {
		events, err := e.poller.wait(100 * time.Millisecond)
		if err != nil {
			return err
		}
		for i := range events {
			switch fd := int(events[i].Fd); fd {
			case e.listener:
				e.accept()
			case e.ticker.fd:
				e.tick()
			default:
				e.ready(e.conns[fd], events[i].Events)
			}
		}
	}
	return nil
}

func (e *echo) close() {
	for _, c := range e.conns {
		if c != nil && c.open {
			rawClose(c.fd)
		}
	}
	rawClose(e.listener)
	if e.ticker != nil {
		e.ticker.close()
	}
	e.poller.close()
}

// accept takes one connection; the poller tells again if more wait.
func (e *echo) accept() {
	fd, errno := rawAccept(e.listener)
	if errno != 0 {
		return // it is gone again, or none can be had now
	}
	for len(e.conns) <= fd {
		e.conns = append(e.conns, nil)
	}
	c := e.conns[fd]
	if c == nil {
		c = &echoConn{head: make([]byte, 0, 512)}
		e.conns[fd] = c
	}
	*c = echoConn{fd: fd, open: true, head: c.head[:0], own: c.own[:0]}
	if err := e.poller.watch(unix.EPOLL_CTL_ADD, fd, fd, unix.EPOLLIN); err != nil {
		e.drop(c)
	}
}

func (e *echo) drop(c *echoConn) {
	if !c.open {
		return
	}
	c.open = false
	rawClose(c.fd)
	if !c.events {
		return
	}
	for i, other := range e.events {
		if other == c {
			e.events = append(e.events[:i], e.events[i+1:]...)
			break
		}
	}
	if len(e.events) == 0 {
		_ = e.poller.watch(unix.EPOLL_CTL_DEL, e.ticker.fd, 0, 0) // it was added with the first
	}
}

// ready does what a connection is ready for.
func (e *echo) ready(c *echoConn, events uint32) {
	if !c.open {
		return // closed by an earlier event of the same wait
	}
	if len(c.out) > 0 {
		if !e.send(c, c.out) || len(c.out) > 0 {
			return
		}
		if c.eof {
			e.drop(c)
			return
		}
		if err := e.poller.watch(unix.EPOLL_CTL_MOD, c.fd, c.fd, unix.EPOLLIN); err != nil {
			e.drop(c)
			return
		}
		if e.answer(c); !c.open || len(c.out) > 0 {
			return
		}
	}
	n, errno := rawRead(c.fd, e.buf[headroom:])
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		e.drop(c)
	case n == 0:
		if c.eof = true; len(c.out) == 0 {
			e.drop(c)
		}
	case c.frames:
		e.frames(c, e.buf, headroom, headroom+n)
	case c.events:
	default:
		if len(c.head)+n > maxRequestHead {
			e.drop(c)
			return
		}
		c.head = append(c.head, e.buf[headroom:headroom+n]...)
		e.answer(c)
	}
}

// frames answers the frames in buf[pos:to].
func (e *echo) frames(c *echoConn, buf []byte, pos, to int) {
	for pos < to {
		start, end, next := c.stream.turn(buf, pos, to)
		pos = next
		if start < end && !e.queue(c, buf[start:end]) {
			return
		}
	}
	if !c.stream.closed && !c.stream.bad {
		return
	}
	// The client closes now (RFC 6455, section 7.1.1: the server first).
	if c.eof = true; len(c.out) == 0 {
		e.drop(c)
	}
}

// queue sends b, or keeps it behind what waits.
func (e *echo) queue(c *echoConn, b []byte) bool {
	if len(c.out) == 0 {
		return e.send(c, b)
	}
	c.own = append(c.own, b...)
	c.out = c.own[len(c.own)-len(c.out)-len(b):]
	return true
}

// answer answers the requests in c.head, as far as the client takes the answers.
func (e *echo) answer(c *echoConn) {
	for c.open && !c.frames && !c.events && len(c.out) == 0 {
		i := bytes.Index(c.head, []byte("\r\n\r\n"))
		if i < 0 {
			return
		}
		head := c.head[:i+4]
		if key, ok := headerValue(head, "sec-websocket-key"); ok {
			e.upgrade(c, key, i+4)
			return
		}
		ok := true
		switch string(requestTarget(head)) {
		case pathSmall:
			ok = e.send(c, e.small)
		case pathLarge:
			ok = e.send(c, e.large)
		case pathInspect:
			ok = e.send(c, wholeAnswer("200 OK", head))
		case pathEvents:
			ok = e.subscribe(c)
		default:
			ok = e.send(c, e.missing)
		}
		if ok {
			c.head = c.head[:copy(c.head, c.head[i+4:])]
		}
	}
}

// upgrade answers a handshake and the frames that came with it.
func (e *echo) upgrade(c *echoConn, key []byte, headEnd int) {
	var room [160]byte
	b := append(room[:0], "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(appendAccept(b, key), "\r\n\r\n"...)
	if c.frames = true; !e.send(c, b) {
		return
	}
	if rest := c.head[headEnd:]; len(rest) > 0 {
		n := copy(e.buf[headroom:], rest)
		e.frames(c, e.buf, headroom, headroom+n)
	}
}

func (e *echo) subscribe(c *echoConn) bool {
	c.events = true
	if len(e.events) == 0 {
		if err := e.poller.watch(unix.EPOLL_CTL_ADD, e.ticker.fd, e.ticker.fd, unix.EPOLLIN); err != nil {
			return false
		}
	}
	e.events = append(e.events, c)
	return e.send(c, []byte(eventsHead))
}

// tick writes one event to the client whose turn it is. A client that takes
// nothing is left out.
func (e *echo) tick() {
	if e.ticker.expired() == 0 || len(e.events) == 0 {
		return
	}
	e.turn = (e.turn + 1) % len(e.events)
	if c := e.events[e.turn]; len(c.out) == 0 {
		e.send(c, eventChunk(e.chunk[:0], e.clock.now()))
	}
}

// send writes b, and keeps what the socket does not take until it does. false is
// that the connection is gone.
func (e *echo) send(c *echoConn, b []byte) bool {
	n, errno := rawWrite(c.fd, b)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		n, errno = 0, 0
	}
	if errno != 0 {
		e.drop(c)
		return false
	}
	if n == len(b) {
		c.out = nil
		return true
	}
	waiting := len(c.out) > 0
	if waiting || e.lasting(b) {
		c.out = b[n:]
	} else {
		c.own = append(c.own[:0], b[n:]...)
		c.out = c.own
	}
	if waiting {
		return true
	}
	if err := e.poller.watch(unix.EPOLL_CTL_MOD, c.fd, c.fd, unix.EPOLLOUT); err != nil {
		e.drop(c)
		return false
	}
	return true
}

// lasting tells whether b stays as it is: it is the large answer.
func (e *echo) lasting(b []byte) bool { return &b[0] == &e.large[0] }
