package bridge

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// deadPeer is short, but probes are whole seconds apart; alivePeer is for those that
// live, on a busy machine too.
const (
	deadPeer  = 2 * time.Second
	alivePeer = 3 * deadPeer
)

// deadRig is a bridge with the names of the edge's own ends.
func deadRig(t *testing.T, e engineCase, pol Policy) (*rig, []endID) {
	var ends edgeEnds
	e.wrap = chain(ends.note, e.wrap)
	if pol.DeadPeer == 0 {
		pol.DeadPeer = deadPeer
	}
	return e.rig(t, pol), ends.ids
}

// glut is fill for a bridge that is cut when it has stood full for its bound, which a
// busy machine may reach within fill. What it takes before is bounded all the same.
func glut(t *testing.T, c *raw, tr *traffic) {
	t.Helper()
	switch err := full(c, tr); {
	case errors.Is(err, errBottomless):
		t.Error(err)
	case err != nil:
		t.Logf("cut while it was filled: %v", err)
	}
}

// expectGone wants the bridge to end within its bound, with an error, and both its
// descriptors gone.
func (r *rig) expectGone(ids []endID) Summary {
	r.t.Helper()
	s := r.summary()
	r.t.Logf("after %v: %s, %v", s.Duration.Round(time.Millisecond), s.Close, s.Err)
	if n := stillOpen(ids); n != 0 {
		r.t.Errorf("%d descriptors left", n)
	}
	return s
}

// TestEngineVanished: a peer that is gone without a word, whichever and whatever it
// was about to hear, is found, and the other told.
func TestEngineVanished(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		for _, tc := range []struct {
			name   string
			before func(t *testing.T, s side) // s.from is the one that will vanish
			after  func(s side)
		}{
			{"idle", func(*testing.T, side) {}, nil},
			{"in a frame", func(t *testing.T, s side) {
				s.from.Write(frame(0x82, text(100), s.masked)[:50])
				s.to.expect(string(frame(0x82, text(100), s.masked)[:50]))
			}, nil},
			{"spoken to", func(*testing.T, side) {}, func(s side) { s.to.Write(frame(0x82, text(5000), !s.masked)) }},
			{"while it does not read", func(t *testing.T, s side) { glut(t, s.to, newTraffic(1, !s.masked)) }, nil},
			{"half closed", func(t *testing.T, s side) { s.from.CloseWrite(); s.to.expectEnd() }, nil},
		} {
			for i, who := range []string{"client", "backend"} {
				t.Run(tc.name+"/"+who, func(t *testing.T) {
					t.Parallel()
					r, ids := deadRig(t, e, Policy{})
					s := r.sides()[i]
					tc.before(t, s)
					if err := vanish(s.from.TCPConn); err != nil {
						t.Fatalf("dropping what comes for a socket: %v", err)
					}
					if tc.after != nil {
						tc.after(s)
					}
					if tc.name != "while it does not read" {
						s.to.expectEnd()
					}
					if got := r.expectGone(ids); got.Err == nil && tc.name != "half closed" {
						t.Errorf("summary %+v", got)
					}
				})
			}
		}
	})
}

// TestEngineNeverReads: a peer that never reads, while the other is there, has left
// or has broken off, does not keep the bridge.
func TestEngineNeverReads(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		for _, tc := range []struct {
			name  string
			leave func(c *raw)
		}{
			{"other there", func(*raw) {}},
			{"other has ended its half", func(c *raw) { c.CloseWrite() }},
			{"other has left", func(c *raw) { c.Close() }},
			{"other has broken off", func(c *raw) { c.reset() }},
		} {
			for i, who := range []string{"backend", "client"} {
				t.Run(tc.name+"/"+who, func(t *testing.T) {
					t.Parallel()
					r, ids := deadRig(t, e, Policy{})
					s := r.sides()[i]
					glut(t, s.from, newTraffic(1, s.masked))
					tc.leave(s.from)
					r.expectGone(ids)
				})
			}
		}
	})
}

// TestEngineAlive: a bridge on which nothing happens and one whose reader is slow
// are not taken for dead.
func TestEngineAlive(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		idle, _ := deadRig(t, e, Policy{DeadPeer: alivePeer})
		e.wrap = chain(shallow, e.wrap)
		slow, _ := deadRig(t, e, Policy{DeadPeer: alivePeer})
		s := slow.fromBackend()
		said, again := newTraffic(1, false), newTraffic(1, false)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for said.sent < 8<<20 {
				n, err := s.from.Write(said.ahead())
				if said.took(n); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
			s.from.CloseWrite()
		}()
		for begun := time.Now(); time.Since(begun) < 2*alivePeer; { // a little now and then
			buf := make([]byte, 64<<10)
			n, err := s.to.br.Read(buf)
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			for p := buf[:n]; len(p) > 0; {
				a := again.ahead()
				m := min(len(a), len(p))
				if string(a[:m]) != string(p[:m]) {
					t.Fatalf("bytes differ behind %d", again.sent)
				}
				again.took(m)
				p = p[m:]
			}
			time.Sleep(alivePeer / 60) // the reader's slowness
		}
		if n, tail, err := again.verify(s.to.br, nil); len(tail) > 0 || err != nil || n < 8<<20 {
			t.Errorf("%d bytes, then % .20x, %v", n, tail, err)
		}
		<-sent
		for _, s := range idle.sides() {
			f := frame(0x81, "still there?", s.masked)
			s.from.Write(f)
			s.to.expect(string(f))
		}
	})
}

// TestEngineVanishedThroughTheRelay: the relay's bound is the bridge's.
func TestEngineVanishedThroughTheRelay(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		gone := make(chan error, 1)
		var ends edgeEnds
		x := e.edge(t, backend(t, func(c *raw) {
			c.head()
			c.send(upgradeAnswer)
			_, err := c.br.ReadByte()
			gone <- err
		}), func(x *edge) {
			x.relay.DeadPeer = deadPeer
			x.accept, x.wrap = ends.note, ends.note
		})
		c := x.dial()
		c.send(upgradeRequest)
		c.expect(upgradeAtClient)
		if err := vanish(c.TCPConn); err != nil {
			t.Fatal(err)
		}
		if err := within(t, gone, "the backend was not told"); err == nil || !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("the backend saw %v", err)
		}
		if s := within(t, x.ended, "the bridge did not end"); s.Err == nil {
			t.Errorf("summary %+v", s)
		}
		ends.expectNone(x)
	})
}
