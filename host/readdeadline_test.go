package host

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// armedConn notes which deadlines it is given.
type armedConn struct {
	net.Conn
	armed []time.Time
}

func (c *armedConn) SetReadDeadline(t time.Time) error {
	c.armed = append(c.armed, t)
	return c.Conn.SetReadDeadline(t)
}

func deadlineConn(t *testing.T) (c *clientConn, under *armedConn, far net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	under = &armedConn{Conn: near}
	return &clientConn{Conn: under, raw: under}, under, far
}

// TestReadDeadlineIsSetOnce: requests that come one after the other leave the
// connection's deadline as it is, and it is never before the one that was asked for.
func TestReadDeadlineIsSetOnce(t *testing.T) {
	t.Parallel()
	c, under, far := deadlineConn(t)
	var want time.Time
	for range 3 {
		want = time.Now().Add(time.Hour) // idle
		if err := c.SetReadDeadline(want); err != nil {
			t.Fatal(err)
		}
		go far.Write([]byte("x"))
		if _, err := c.readSocket(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.SetReadDeadline(time.Now().Add(time.Minute)), c.SetReadDeadline(time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
	if len(under.armed) != 1 || under.armed[0].Before(want) {
		t.Errorf("deadlines set %v, want one that is not before %v", under.armed, want)
	}
	c.NetConn() // for those who wait for the connection in another way
	if n := len(under.armed); n != 2 || !under.armed[1].IsZero() {
		t.Errorf("deadlines set %v, want none to stand at the end", under.armed)
	}
}

// TestReadDeadlineBounds: a shorter one takes the place of a longer one, and one that
// has passed ends what waits.
func TestReadDeadlineBounds(t *testing.T) {
	t.Parallel()
	c, _, _ := deadlineConn(t)
	for _, d := range []time.Duration{time.Hour, time.Millisecond} {
		if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.readSocket(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read under a short deadline = %v", err)
	}
	for name, set := range map[string]func(time.Time) error{"SetReadDeadline": c.SetReadDeadline, "SetDeadline": c.SetDeadline} {
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := c.readSocket(make([]byte, 1))
			ended <- err
		}()
		if err := set(time.Unix(1, 0)); err != nil { // before the read begins, or while it waits
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s in the past: read = %v", name, err)
		}
	}
}
