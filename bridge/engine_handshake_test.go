package bridge

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// resets is how many bytes of a handshake, frames behind it included, are tried.
const resets = 512

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
		for n := range resets + 1 {
			c := x.dial()
			c.send(said[:n])
			c.reset()
		}
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
		cuts := make(chan int, 1)
		var ends edgeEnds
		x := e.edge(t, backend(t, func(c *raw) {
			n := <-cuts
			c.expect(upgradeAtBackend)
			c.send(said[:n])
			c.SetLinger(0) // closed by who called
		}), func(x *edge) {
			x.accept, x.wrap = ends.note, ends.note
			x.failed = make(chan error, 2*resets)
		})
		for n := range resets + 1 {
			cuts <- n
			c := x.dial()
			c.SetDeadline(time.Now().Add(3 * wait))
			c.send(upgradeRequest)
			if n < len(upgradeAnswer) {
				c.expect("HTTP/1.1 502 Bad Gateway\r\n")
				c.Close()
				continue
			}
			c.expect(upgradeAtClient)
			got, err := io.ReadAll(c.br)
			if isTimeout(err) || !strings.HasPrefix(said[len(upgradeAnswer):n], string(got)) {
				t.Errorf("%d: then %q, %v", n, got, err)
			}
			c.Close()
			if s := x.summary(); !strings.HasPrefix(s.Close, "backend ") && s.Err == nil {
				t.Errorf("%d: summary %+v", n, s)
			}
		}
		ends.expectNone(x)
	})
}
