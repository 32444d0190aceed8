package host

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// errBodyOver is what a read of the request's body gets after the request's end.
var errBodyOver = errors.New("the request is over")

// requestBody is the body of one request as plugin and backend read it. It ends
// with io.EOF only where the message ends: a client that goes away in the middle
// is io.ErrUnexpectedEOF (fasthttp says io.EOF there), lest half an upload count
// as a whole one. Reads may come from another goroutine than the request's; after
// end they fail instead of reading what comes next on the connection.
type requestBody struct {
	conn net.Conn
	idle time.Duration // longest silence of the client

	mu       sync.Mutex // held while reading
	r        io.Reader  // nil once over
	left     int64      // bytes still to come; -1: not known
	read     int64
	complete bool
	begun    bool        // a read was made, whatever it brought
	silence  *time.Timer // runs while a read waits

	passing passing
}

// passing is what is to be done once a body was read to its end. It has a lock of its
// own, which no read that waits for the client holds.
type passing struct {
	mu    sync.Mutex // guards what follows
	ended bool       // the whole body was read
	then  func()     // what to do at the end; nil is nothing
	done  bool       // it was done
}

// whenThrough has f called, once, when the whole body was read, which may be now. f
// must not block. forgetThrough is to be called afterwards.
func (b *requestBody) whenThrough(f func()) {
	p := &b.passing
	p.mu.Lock()
	defer p.mu.Unlock()
	p.then = f
	p.run()
}

// forgetThrough calls off what whenThrough was given, and tells whether it was called.
func (b *requestBody) forgetThrough() (called bool) {
	p := &b.passing
	p.mu.Lock()
	defer p.mu.Unlock()
	called = p.done
	p.then, p.done = nil, false
	return called
}

// pass notes that the whole body was read.
func (p *passing) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.run()
}

// run does what is to be done, if it is time. p.mu is held.
func (p *passing) run() {
	if p.ended && p.then != nil && !p.done {
		p.done = true
		p.then()
	}
}

// Read reads the next bytes. It waits at most idle for them.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.complete:
		return 0, io.EOF
	case b.r == nil:
		return 0, errBodyOver
	case len(p) == 0:
		return 0, nil
	}
	b.begun = true
	// Not a deadline for each read: the connection's deadline is how others
	// wake this one, and must not be put off by it.
	if b.silence == nil {
		b.silence = time.AfterFunc(b.idle, b.wake)
	} else {
		b.silence.Reset(b.idle)
	}
	n, err := b.r.Read(p)
	b.silence.Stop()
	b.read += int64(n)
	if b.left >= 0 {
		b.left -= int64(n)
		b.complete = b.left == 0
	}
	if err == io.EOF {
		b.complete = b.complete || b.left < 0
		if !b.complete {
			return n, io.ErrUnexpectedEOF
		}
	}
	if b.complete {
		b.passing.pass()
		return n, io.EOF
	}
	return n, err
}

// SetReadDeadline ends a read that is waiting when t has passed, and lets later ones
// wait again with the zero time. Whoever was asked about the request has it for as long
// as it is theirs.
func (b *requestBody) SetReadDeadline(t time.Time) error { return b.conn.SetReadDeadline(t) }

// wake ends a read that is waiting.
func (b *requestBody) wake() { _ = b.conn.SetReadDeadline(time.Unix(1, 0)) }

// state tells whether the whole body was read, how much of it, and how much is
// still to come (-1: not known).
func (b *requestBody) state() (complete bool, read, left int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.complete, b.read, b.left
}

// untouched tells whether nobody tried to read.
func (b *requestBody) untouched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.begun
}

// through tells whether the whole body was read. One that somebody reads right now
// was not.
func (b *requestBody) through() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.complete
}

// drain reads and drops at most limit bytes within wait and tells whether that
// was all there was.
func (b *requestBody) drain(limit int64, wait time.Duration) bool {
	complete, _, left := b.state()
	if complete || left > limit {
		return complete
	}
	b.idle = wait
	stop := time.Now().Add(wait)
	buf := make([]byte, 4<<10)
	for limit > 0 && time.Now().Before(stop) {
		n, err := b.Read(buf)
		limit -= int64(n)
		if err != nil {
			break
		}
	}
	complete, _, _ = b.state()
	return complete
}

// end makes later reads fail and wakes one that is waiting.
func (b *requestBody) end() {
	if !b.mu.TryLock() {
		// Somebody is reading. The connection closes after this request, as the
		// body was not read to its end, so its deadline can be spoilt.
		b.wake()
		b.mu.Lock()
	}
	b.r = nil
	b.mu.Unlock()
}
