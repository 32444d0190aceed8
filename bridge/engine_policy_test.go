package bridge

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// TestEngineTimeLimits: the bounds in time close with 1008, however busy or idle
// the bridge is.
func TestEngineTimeLimits(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, tc := range []struct {
			name   string
			pol    Policy
			busy   bool
			reason string
			breach Breach
		}{
			{"idle", Policy{IdleTimeout: 50 * time.Millisecond}, false, "idle for too long", BreachIdle},
			{"idle before duration", Policy{IdleTimeout: 50 * time.Millisecond, MaxDuration: time.Hour}, false, "idle for too long", BreachIdle},
			{"duration", Policy{IdleTimeout: time.Minute, MaxDuration: 100 * time.Millisecond}, true, "maximum duration reached", BreachDuration},
			{"duration alone", Policy{MaxDuration: 100 * time.Millisecond}, false, "maximum duration reached", BreachDuration},
		} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				r := e.rig(t, tc.pol)
				var wg sync.WaitGroup
				if tc.busy {
					wg.Go(func() {
						for f := frame(0x81, "busy", true); ; {
							if _, err := r.client.Write(f); err != nil {
								return
							}
						}
					})
				}
				wg.Go(func() { io.Copy(io.Discard, r.backend.br); r.backend.Close() })
				r.client.expectClose(false, 1008, tc.reason)
				r.client.Close()
				wg.Wait()
				if s := r.summary(); !errors.Is(s.Err, ErrPolicy) || s.Breach != tc.breach || s.Close != edgeClosed(1008, tc.reason) {
					t.Errorf("summary %+v", s)
				}
			})
		}
	})
}

// TestEngineNotIdle: traffic of either side alone keeps a bridge from being idle.
func TestEngineNotIdle(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		const bound = 4 * time.Second
		e.bothSides(t, Policy{IdleTimeout: bound}, func(t *testing.T, r *rig, s side) {
			f := frame(0x82, text(100), s.masked)
			c, heard := r.chat(), 0
			for begun := time.Now(); time.Since(begun) < 3*bound/2; heard++ {
				c.says(s, f)
				head, _ := s.to.br.Peek(1)
				c.quiet(c.before)
				if bytes.Equal(head, []byte{bitFin | opClose}) && c.silence >= bound {
					break // this machine let it be idle
				}
				s.to.expect(string(f))
				time.Sleep(50 * time.Millisecond) // well below the bound: the pace of the talk
			}
			s.to.expectClose(s.masked, 1008, "idle for too long") // now it is
			if got := r.summary(); got.BytesIn+got.BytesOut != int64(heard*len(f)) {
				t.Errorf("%d frames, %+v", heard, got)
			}
		})
	})
}

// TestEngineMaxBytes: exactly the bound passes, both directions counted together. A
// frame that would go over it is not begun, so that the close stands between two
// frames.
func TestEngineMaxBytes(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{MaxBytes: 2000}, func(t *testing.T, r *rig, s side) {
			there, back := frame(0x82, text(700), s.masked), frame(0x82, text(700), !s.masked)
			s.from.Write(there)
			s.to.expect(string(there))
			s.to.Write(back)
			s.from.expect(string(back))
			left := 2000 - len(there) - len(back)
			fits := frame(0x82, text(left-len(frame(0x82, text(300), s.masked))+300), s.masked)
			if len(fits) != left {
				t.Fatalf("the last frame has %d bytes of %d", len(fits), left)
			}
			s.from.Write(join(fits, frame(0x89, "", s.masked)))
			s.to.expect(string(fits))
			r.expectClosed(1008, "too many bytes")
			r.client.Close()
			r.backend.Close()
			if got := r.summary(); got.BytesIn+got.BytesOut != 2000 || got.Breach != BreachBytes || !errors.Is(got.Err, ErrPolicy) {
				t.Errorf("summary %+v", got)
			}
		})
	})
}

// TestEngineMessageRate: a second's worth of messages passes at once, and as many
// as the time since allows; then the bridge is closed between two frames. Control
// frames, further fragments and the backend's messages do not count.
func TestEngineMessageRate(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for _, rate := range []int{1, 5, 100} {
			r := e.rig(t, Policy{MessagesPerSecond: rate})
			begun := time.Now()
			free := bytes.Repeat(join(frame(0x89, "", true), frame(0x8a, "pong", true)), rate+10)
			message := join(frame(0x01, "a", true), frame(0x89, "", true), frame(0x00, "b", true), frame(0x80, "c", true))
			all := bytes.Repeat(message, 200*rate)
			back := bytes.Repeat(frame(0x81, "back", false), 3*rate)
			r.backend.Write(back)
			r.client.expect(string(back))
			r.client.Write(free)
			r.backend.expect(string(free))
			r.client.Write(bytes.Repeat(message, rate))
			r.backend.expect(string(bytes.Repeat(message, rate)))
			var wg sync.WaitGroup
			wg.Go(func() { r.client.Write(all) })
			var got []byte
			wg.Go(func() { got, _ = io.ReadAll(r.backend.br) })
			reason := r.client.closeFrame(1013)
			r.client.expectEnd()
			wg.Wait()
			passed := len(got) / len(message) // and then the Close
			limit := rate + int(time.Since(begun).Seconds()*float64(rate)) + 1
			tail := got[min(len(got), passed*len(message)):]
			if code, ok := wholeClose(tail, true); !ok || code != 1013 || !bytes.HasPrefix(all, got[:len(got)-len(tail)]) {
				t.Errorf("rate %d: after %d messages % x", rate, passed, tail)
			}
			if rate+passed > limit {
				t.Errorf("rate %d: %d messages, the bucket had %d", rate, rate+passed, limit)
			}
			r.client.Close()
			r.backend.Close()
			if s := r.summary(); s.Breach != BreachRate || !errors.Is(s.Err, ErrPolicy) || s.Close != edgeClosed(1013, reason) || s.MessagesIn != int64(rate+passed) {
				t.Errorf("rate %d, %d passed: summary %+v", rate, passed, s)
			}
		}
	})
}

// closeFrame reads an unmasked Close frame with code and returns its reason.
func (r *raw) closeFrame(code int) (reason string) {
	r.t.Helper()
	head := make([]byte, 4)
	if _, err := io.ReadFull(r.br, head); err != nil || head[0] != 0x88 || int(head[2])<<8|int(head[3]) != code {
		r.t.Fatalf("got % x (%v), want a Close with %d", head, err, code)
	}
	p := make([]byte, int(head[1])-2)
	io.ReadFull(r.br, p)
	return string(p)
}

// TestEngineMessageRateRefills: what was spent comes back with time, up to one
// second's worth.
func TestEngineMessageRateRefills(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		const rate = 4
		r := e.rig(t, Policy{MessagesPerSecond: rate})
		burst := bytes.Repeat(frame(0x82, "x", true), rate)
		for range 3 {
			r.client.Write(burst)
			r.backend.expect(string(burst))
			time.Sleep(1100 * time.Millisecond) // the bucket is full again: time is what refills it
		}
		r.client.Write(bytes.Repeat(burst, 100))
		r.client.closeFrame(1013)
	})
}
