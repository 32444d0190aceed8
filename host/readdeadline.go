package host

import (
	"errors"
	"sync"
	"time"
)

// readDeadline is what a clientConn remembers of the deadline of its reads. fasthttp
// and the gate set it three times for each request, of which only the one that stands
// while a read waits has any effect, and that one is hardly different from that of the
// request before. What is not needed is not set: a timer costs more than most of the
// checks that a request goes through.
type readDeadline struct {
	mu      sync.Mutex // guards what follows
	reading bool       // a read may be waiting
	want    time.Time  // what was asked for; zero is none
	latest  time.Time  // when it has to be over at the latest
	armed   time.Time  // what the connection beneath has
}

// deadlineSlack is by what part of itself a wait may take longer than it should.
const deadlineSlack = 32

// SetReadDeadline bounds reads as of net.Conn, but for one thing: what lies ahead may
// take a 32nd longer. Those who wait see it at once.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	d := &c.reads
	latest, over := t, false
	if !t.IsZero() {
		left := time.Until(t)
		latest, over = t.Add(left/deadlineSlack), left <= 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want, d.latest = t, latest
	if d.reading || over {
		return c.arm(t)
	}
	return nil
}

// SetDeadline sets both deadlines.
func (c *clientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// readSocket reads from the connection beneath under the deadline that was asked for.
func (c *clientConn) readSocket(p []byte) (int, error) {
	c.reads.mu.Lock()
	err := c.settle()
	c.reads.reading = true
	c.reads.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.reads.mu.Lock()
	c.reads.reading = false
	c.reads.mu.Unlock()
	return n, err
}

// settleDeadline has the connection beneath keep the deadline, for those who wait for
// it by other means than Read.
func (c *clientConn) settleDeadline() {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	_ = c.settle() // of a closed connection nobody reads
}

// settle arms the deadline, unless the one that is armed will do; mu is held.
func (c *clientConn) settle() error {
	d := &c.reads
	if d.armed.Before(d.want) || d.armed.After(d.latest) || d.armed.IsZero() != d.want.IsZero() {
		return c.arm(d.latest)
	}
	return nil
}

// arm sets the deadline of the connection beneath; mu is held.
func (c *clientConn) arm(t time.Time) error {
	c.reads.armed = t
	return c.Conn.SetReadDeadline(t)
}
