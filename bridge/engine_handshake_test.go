package bridge

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// resets is how many bytes of a handshake, frames behind it included, are tried.
const resets = 512

// someAtATime calls f for each number below n, a few at a time: a busy machine has
// each wait long.
func someAtATime(n int, f func(int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

// edgeEnds are the edge's own ends of all connections of an edge.
type edgeEnds struct {
	mu  sync.Mutex
	ids []endID
}

// note is an accept or wrap of an edge that changes nothing.
func (e *edgeEnds) note(c net.Conn) net.Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids = append(e.ids, idOf(c))
	return c
}

// open is how many of them are not closed.
func (e *edgeEnds) open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return stillOpen(e.ids)
}

// expectNone waits until nothing is left of x's exchanges: no entry, and no
// connection that the edge still holds.
func (e *edgeEnds) expectNone(x *edge) {
	x.t.Helper()
	eventually(x.t, func() bool { return x.relay.Table.Count(nil) == 0 && e.open() == 0 }, func() {
		x.t.Errorf("%d entries, %d connections left", x.relay.Table.Count(nil), e.open())
	})
}

// eventually waits for what must come to be.
func eventually(t testing.TB, ok func() bool, otherwise func()) {
	t.Helper()
	for end := time.Now().Add(3 * wait); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			otherwise()
			return
		}
	}
}

// TestEngineClientResetsInTheHandshake: a client that breaks at any byte of its
// request or of the frames in the same segment leaves nothing behind. What the
// backend hears is nothing, or the whole request and an exact prefix of the frames.
func TestEngineClientResetsInTheHandshake(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		frames := join(frame(0x81, "hello", true), frame(0x82, text(400), true))
		said := (upgradeRequest + string(frames))[:resets]
		whole := upgradeAtBackend + said[len(upgradeRequest):]
		var ends edgeEnds
		x := e.edge(t, backend(t, func(c *raw) {
			c.SetDeadline(time.Now().Add(3 * wait))
			var got strings.Builder
			for got.Len() < len(upgradeAtBackend) {
				b, err := c.br.ReadByte()
				if err != nil {
					break
				}
				got.WriteByte(b)
			}
			if got.Len() == len(upgradeAtBackend) {
				io.WriteString(c, upgradeAnswer)
			}
			rest, err := io.ReadAll(c.br)
			got.Write(rest)
			if isTimeout(err) || !strings.HasPrefix(whole, got.String()) || got.Len() > 0 && got.Len() < len(upgradeAtBackend) {
				t.Errorf("the backend heard %q, %v", got.String(), err)
			}
		}), func(x *edge) {
			x.accept, x.wrap = ends.note, ends.note
			x.failed = make(chan error, 2*resets) // nobody takes them
		})
		someAtATime(resets+1, func(n int) {
			c := x.dial()
			c.send(said[:n])
			c.reset()
		})
		ends.expectNone(x)
	})
}

// TestEngineBackendResetsInTheHandshake: a backend that breaks at any byte of its
// answer is a bad gateway, and one that breaks behind it has its frames delivered
// as an exact prefix.
func TestEngineBackendResetsInTheHandshake(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		frames := join(frame(0x81, "hello", false), frame(0x82, text(400), false))
		said := (upgradeAnswer + string(frames))[:resets]
		var ends edgeEnds
		x := e.edge(t, backend(t, func(c *raw) {
			c.SetDeadline(time.Now().Add(3 * wait))
			var n int
			if head := c.head(); !strings.Contains(head, "\r\nX-Cut: ") {
				t.Errorf("the backend heard %q", head)
			} else {
				fmt.Sscanf(head[strings.Index(head, "X-Cut: "):], "X-Cut: %d", &n)
			}
			c.send(said[:n])
			c.SetLinger(0) // closed by who called
		}), func(x *edge) {
			x.accept, x.wrap = ends.note, ends.note
			x.failed = make(chan error, 2*resets)
		})
		someAtATime(resets+1, func(n int) {
			c := x.dial()
			defer c.Close()
			c.SetDeadline(time.Now().Add(3 * wait))
			c.send(strings.Replace(upgradeRequest, "\r\n\r\n", fmt.Sprintf("\r\nX-Cut: %d\r\n\r\n", n), 1))
			if n < len(upgradeAnswer) {
				c.expect("HTTP/1.1 502 Bad Gateway\r\n")
				return
			}
			c.expect(upgradeAtClient)
			got, err := io.ReadAll(c.br)
			if isTimeout(err) || !strings.HasPrefix(said[len(upgradeAnswer):n], string(got)) {
				t.Errorf("%d: then %q, %v", n, got, err)
			}
		})
		ends.expectNone(x)
		for range resets + 1 - len(upgradeAnswer) {
			if s := x.summary(); s.Status != 101 || !strings.HasPrefix(s.Close, "backend ") && s.Err == nil {
				t.Errorf("summary %+v", s)
			}
		}
		if n := len(x.ended); n > 0 {
			t.Errorf("%d bridges too many", n)
		}
	})
}
