package bridge

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestEngineClientGoneFromATalker: a backend that never stops talking does not keep
// the bridge of a client that is gone, even if it takes no notice.
func TestEngineClientGoneFromATalker(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, reset := range []bool{true, false} {
			r := e.rig(t, Policy{})
			talk := frame(0x82, text(60000), false)
			talked := make(chan struct{})
			go func() {
				defer close(talked)
				for {
					if _, err := r.backend.Write(talk); err != nil {
						return
					}
				}
			}()
			r.client.expect(string(talk))
			if !reset {
				r.client.CloseWrite()
				r.backend.rest()
			}
			r.client.Close() // with much unread: a reset
			r.summary()
			r.backend.Close()
			<-talked
		}
	})
}

// TestEngineHalfClose: one side ends its sending half; the other still delivers.
func TestEngineHalfClose(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			hello, torn := frame(0x81, "hello", s.masked), frame(0x81, text(200), s.masked)[:3]
			s.from.Write(join(hello, torn)) // half a header at the end goes through too
			s.from.CloseWrite()
			if got := s.to.rest(); got != string(join(hello, torn)) {
				t.Errorf("got %q", got)
			}
			for range 3 {
				reply := frame(0x82, text(40000), !s.masked)
				s.to.Write(reply)
				s.from.expect(string(reply))
			}
			s.to.CloseWrite()
			s.from.expect("")
			if got := s.from.rest(); got != "" {
				t.Errorf("and then %q", got)
			}
			if got := r.summary(); got.Err != nil || got.Close != s.name+" eof" {
				t.Errorf("summary %+v", got)
			}
		})
	})
}

// TestEngineHalfCloseThroughTheRelay: a client that asks all it has to ask and ends
// its half gets every byte of a long answer.
func TestEngineHalfCloseThroughTheRelay(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		answer := frame(0x82, text(3<<20), false)
		x := e.edge(t, backend(t, func(c *raw) {
			c.head()
			time.Sleep(3 * watchAfter) // the backend's slowness: the client of a plain request would be watched by now
			c.send(upgradeAnswer)
			asked, _ := io.ReadAll(c.br) // to the client's end
			if !bytes.Equal(asked, frame(0x81, "all?", true)) {
				t.Errorf("asked %q", asked)
			}
			c.Write(answer)
		}))
		for _, within := range []bool{false, true} { // the handshake, or behind it
			c := x.dial()
			c.send(upgradeRequest + string(frame(0x81, "all?", true)))
			if within {
				c.CloseWrite()
			}
			c.expect(upgradeAtClient)
			if !within {
				c.CloseWrite()
			}
			c.expect(string(answer))
			c.expectEnd()
			if s := x.summary(); s.Err != nil || s.Close != "client eof" || s.MessagesOut != 1 {
				t.Errorf("half-close within the handshake %v: summary %+v", within, s)
			}
		}
	})
}

// TestEngineLastWords: a backend that closes while its client is still sending gets
// its last frames through, although writes to it fail.
func TestEngineLastWords(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for range 20 {
			r := e.rig(t, Policy{})
			words := join(frame(0x82, text(20000), false), frame(0x88, "\x03\xf0no", false))
			var wg sync.WaitGroup
			wg.Go(func() { // a client that talks on
				f := frame(0x82, text(1000), true)
				for {
					if _, err := r.client.Write(f); err != nil {
						return
					}
				}
			})
			r.backend.Write(words)
			r.backend.Close() // with the client's frames unread: a reset
			got, _ := io.ReadAll(io.LimitReader(r.client.br, int64(len(words))))
			if !bytes.Equal(got, words) {
				t.Errorf("%d bytes of %d", len(got), len(words))
			}
			r.client.Close()
			wg.Wait()
			r.summary()
		}
	})
}

// TestEngineReset: a connection that breaks in any state ends the other at once,
// after an exact prefix of what it had said.
func TestEngineReset(t *testing.T) {
	hello := func(masked bool) []byte { return frame(0x81, "hello", masked) }
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, tc := range []struct {
			name  string
			said  func(masked bool) []byte
			least func(masked bool) []byte // of it arrives before the reset
			close string                   // empty: that it was reset
		}{
			{"at once", func(bool) []byte { return nil }, nil, ""},
			{"idle", hello, hello, ""},
			{"in a header", func(m bool) []byte { return join(hello(m), frame(0x82, text(300), m)[:3]) }, hello, ""},
			{"in a payload", func(m bool) []byte { return join(hello(m), frame(0x82, text(300), m)[:200]) },
				func(m bool) []byte { return join(hello(m), frame(0x82, text(300), m)[:200]) }, ""},
			{"in a message", func(m bool) []byte { return join(hello(m), frame(0x02, text(300), m)) },
				func(m bool) []byte { return join(hello(m), frame(0x02, text(300), m)) }, ""},
			{"after its Close", func(m bool) []byte { return join(hello(m), frame(0x88, "\x03\xe8", m)) },
				func(m bool) []byte { return join(hello(m), frame(0x88, "\x03\xe8", m)) }, " 1000"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
					s.from.Write(tc.said(s.masked))
					if tc.least != nil {
						s.to.expect(string(tc.least(s.masked)))
					}
					s.from.reset()
					s.to.expectEnd()
					s.to.Close()
					got := r.summary()
					if tc.close != "" {
						if got.Close != s.name+tc.close || got.Err != nil {
							t.Errorf("summary %+v", got)
						}
						return
					}
					if got.Close != s.name+" reset" || !errors.Is(got.Err, syscall.ECONNRESET) {
						t.Errorf("summary %+v", got)
					}
				})
			})
		}
	})
}

// TestEngineResetHeard: the one that hears while the other breaks: a reader that has
// been sent half a frame goes, or the sink of one that talks does.
func TestEngineResetHeard(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			f := frame(0x82, text(1000), s.masked)
			s.from.Write(f[:500])
			s.to.expect(string(f[:500]))
			s.to.reset()
			s.from.expectEnd() // nothing is injected where nothing was sent, and no frame torn
			s.from.Close()
			if got := r.summary(); !strings.HasSuffix(got.Close, " reset") || got.Err == nil {
				t.Errorf("summary %+v", got)
			}
		})
	})
}

// TestEngineResetWhileStuck: a side that breaks while what it has said is stuck at
// the other end leaves an exact prefix there, and ends the bridge when that end
// goes on.
func TestEngineResetWhileStuck(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, reads := range []bool{true, false} {
			e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
				sent := newTraffic(1, s.masked)
				fill(t, s.from, sent)
				s.from.reset()
				if reads {
					n, code, err := newTraffic(1, s.masked).prefix(s.to.br, nil)
					if n > sent.sent || code != 0 || err != nil {
						t.Errorf("%d bytes of %d, code %d, %v", n, sent.sent, code, err)
					}
				}
				s.to.Close()
				if got := r.summary(); got.Close == "" {
					t.Errorf("summary %+v", got)
				}
			})
		}
	})
}
