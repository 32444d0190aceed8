package bridge

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// given is a client's connection that is given away in the handler (yielding).
type given struct {
	net.Conn
	gone    atomic.Bool
	onYield func()
}

func (g *given) Yield() (net.Conn, []byte) {
	g.gone.Store(true)
	if g.onYield != nil {
		g.onYield()
	}
	return g.Conn, nil
}

func (g *given) Write(p []byte) (int, error) {
	if g.gone.Load() {
		return 0, errors.New("given away")
	}
	return g.Conn.Write(p)
}

func (g *given) Close() error {
	if g.gone.Load() {
		return nil
	}
	return g.Conn.Close()
}

// engineFunc is an engine that is a function.
type engineFunc func(client, backend net.Conn, done func(Summary)) Live

func (f engineFunc) Bridge(client, backend net.Conn, _ []byte, _ Policy, done func(Summary)) Live {
	return f(client, backend, done)
}

// liveFunc is the Close of a bridge.
type liveFunc func(code int, reason string)

func (f liveFunc) Close(code int, reason string) { f(code, reason) }

const plainHandshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// acceptsAll is a backend that accepts a handshake and then reads to the end.
func acceptsAll(t *testing.T, got chan<- string) string {
	return backend(t, func(r *raw) {
		r.head()
		r.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		b, _ := io.ReadAll(r.br)
		got <- string(b)
	})
}

// TestClosedBeforeItsBridgeBegan closes a WebSocket when its backend has accepted it
// and no engine has it yet: none ever gets it, and both ends are told.
func TestClosedBeforeItsBridgeBegan(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	e := newEdge(t, acceptsAll(t, got), func(e *edge) {
		e.relay.Engine = engineFunc(func(net.Conn, net.Conn, func(Summary)) Live {
			t.Error("the engine was given a WebSocket that was closed")
			return liveFunc(func(int, string) {})
		})
		e.accept = func(c net.Conn) net.Conn {
			return &given{Conn: c, onYield: func() { e.relay.Table.Close(nil, 1008, "over") }}
		}
	})
	c := e.dial()
	c.send(plainHandshake)
	c.head()
	c.expect(string(appendClose(nil, 1008, "over", nil)))
	if rest := c.rest(); rest != "" {
		t.Errorf("and then %q", rest)
	}
	if b := <-got; len(b) != len("\x88\x86----\x03\xf0over") || b[:2] != "\x88\x86" {
		t.Errorf("the backend is told %q", b)
	}
	if s := e.summary(); s.Status != 101 || s.Close != edgeClosed(1008, "over") || s.Err != nil {
		t.Errorf("summary %+v", s)
	}
}

// TestCloseWaitsForItsBridge closes a WebSocket while its engine takes it over: Close
// returns when the bridge has heard of it, and not before.
func TestCloseWaitsForItsBridge(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	var heard atomic.Bool
	var table Table
	got := make(chan string, 1)
	e := newEdge(t, acceptsAll(t, got), func(e *edge) {
		e.relay.Table = &table
		e.accept = func(c net.Conn) net.Conn { return &given{Conn: c} }
		e.relay.Engine = engineFunc(func(client, backend net.Conn, done func(Summary)) Live {
			go func() {
				defer close(closed)
				table.Close(nil, 1008, "over")
				if !heard.Load() {
					t.Error("Close returned before the bridge knew of it")
				}
			}()
			select {
			case <-closed: // it has said so
			case <-time.After(50 * time.Millisecond): // in which a Close that does not wait returns
			}
			return liveFunc(func(int, string) {
				heard.Store(true)
				client.Close()
				backend.Close()
				go done(Summary{Status: 101})
			})
		})
	})
	c := e.dial()
	c.send(plainHandshake)
	c.head()
	c.rest()
	<-closed
	e.summary()
}
