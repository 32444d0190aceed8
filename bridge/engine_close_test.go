package bridge

import (
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestEngineCloseWaitsForTheFrame: a Close never goes into a frame that is half
// sent.
func TestEngineCloseWaitsForTheFrame(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			f := frame(0x82, text(1000), s.masked)
			s.from.Write(f[:500])
			s.to.expect(string(f[:500]))
			r.live.Close(1012, "restart")
			r.live.Close(1000, "too late")
			s.from.expectClose(!s.masked, 1012, "restart") // the other direction is free
			s.from.Write(join(f[500:], frame(0x81, "never", s.masked)))
			s.to.expect(string(f[500:]))
			s.to.expectClose(s.masked, 1012, "restart")
			if rest := s.to.rest(); rest != "" {
				t.Errorf("and then %q", rest)
			}
			s.to.Write(frame(0x88, "\x03\xf4", !s.masked)) // both answer the close
			s.from.Write(frame(0x88, "\x03\xf4", s.masked))
			if s := r.summary(); s.Close != edgeClosed(1012, "restart") || s.Err != nil {
				t.Errorf("summary %+v", s)
			}
		})
	})
}

// TestEngineCloseInATornFrame: when the rest does not come, nothing is injected.
func TestEngineCloseInATornFrame(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			f := frame(0x82, text(1000), s.masked)
			s.from.Write(f[:500])
			s.to.expect(string(f[:500]))
			r.live.Close(1012, "restart")
			s.to.expectEnd()
			if got := r.summary(); got.Close != edgeClosed(1012, "restart") {
				t.Errorf("summary %+v", got)
			}
		})
	})
}

// TestEngineCloseAtAHeader: a header that has begun and was not sent on is no frame
// yet: the close frame goes in front of it.
func TestEngineCloseAtAHeader(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			good := frame(0x81, "ok", s.masked)
			s.from.Write(join(good, frame(0x82, text(300), s.masked)[:3]))
			s.to.expect(string(good))
			r.live.Close(1001, "going away")
			s.to.expectClose(s.masked, 1001, "going away")
			s.to.expectEnd()
			r.summary()
		})
	})
}

// TestEngineCloseAfterAClose: a side that has sent its Close is sent none behind it
// (RFC 6455, section 5.5.1).
func TestEngineCloseAfterAClose(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		e.bothSides(t, Policy{}, func(t *testing.T, r *rig, s side) {
			bye := frame(0x88, "\x03\xe8", s.masked)
			s.from.Write(bye)
			s.to.expect(string(bye))
			r.live.Close(1001, "going away")
			s.to.expectEnd()
			s.from.expectClose(!s.masked, 1001, "going away")
			s.from.expectEnd()
			r.client.Close()
			r.backend.Close()
			if got := r.summary(); got.Close != s.name+" 1000" {
				t.Errorf("summary %+v", got)
			}
		})
	})
}

// TestEngineCloseAtOnce: a bridge that is closed before anything was said, by many,
// many times and again after its end.
func TestEngineCloseAtOnce(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for range 20 {
			r := e.rig(t, Policy{}, frame(0x81, "early", true), nil)
			var wg sync.WaitGroup
			closed, want := time.Now(), string(appendClose(nil, 1008, "revoked", nil))
			for range 4 {
				wg.Go(func() { r.live.Close(1008, "revoked") })
			}
			// A machine that does not run the bridge for as long as its end may take has
			// nobody told.
			told, err := io.ReadAll(r.client.br)
			if s := string(told); s != want && (s != "" || isTimeout(err) || time.Since(closed) < closeWait) {
				t.Errorf("the client is told %q, %v", s, err)
			}
			if _, err := io.ReadAll(r.backend.br); isTimeout(err) {
				t.Error("the backend's side was not closed")
			}
			r.client.Close()
			r.backend.Close()
			wg.Wait()
			if got := r.summary(); got.Close != edgeClosed(1008, "revoked") {
				t.Errorf("summary %+v", got)
			}
			r.live.Close(1001, "after the end")
			select {
			case s := <-r.ended:
				t.Errorf("ended twice: %+v", s)
			default:
			}
		}
	})
}

// TestEngineCloseHammer closes bridges from outside under full traffic both ways.
// Both ends hear an exact prefix of whole frames and one Close behind it.
func TestEngineCloseHammer(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		for i := range 40 {
			hammer(t, e, seed+uint64(i), []int{1001, 1008, 1012}[i%3])
		}
	})
}

func hammer(t *testing.T, e engineCase, seed uint64, code int) {
	r := e.rig(t, Policy{})
	var (
		talkers, others sync.WaitGroup
		told            [2]atomic.Bool // the speaker of each direction has heard the end of the other
		heard           [2]int64       // the code in each direction
	)
	for i, s := range r.sides() {
		said, again := newTraffic(seed+uint64(i), s.masked), newTraffic(seed+uint64(i), s.masked)
		pace := rand.New(rand.NewPCG(seed, uint64(i)))
		talkers.Go(func() {
			for !told[i].Load() {
				if said.send(s.from, said.sent+1, pace) != nil {
					return
				}
			}
			s.from.CloseWrite() // after a whole frame: a torn one would be the test's own doing
		})
		others.Go(func() {
			n, got, err := again.prefix(s.to.br, nil)
			if err != nil {
				t.Errorf("seed %d, %v: %d bytes, then %v", seed, s, n, err)
			}
			heard[i] = got
			told[1-i].Store(true)
		})
	}
	time.Sleep(time.Duration(seed%3000) * time.Microsecond) // where in the traffic, not a wait
	closed := time.Now()
	for range 3 {
		others.Go(func() { r.live.Close(code, "hammer") })
	}
	others.Wait()
	talkers.Wait()
	took := time.Since(closed)
	for i, got := range heard {
		// The bound on the end of a frame is the engine's; a machine that does not
		// run the test for so long has it torn.
		if int(got) != code && took < closeWait {
			t.Errorf("seed %d, %v: close code %d, want %d", seed, r.sides()[i], got, code)
		}
	}
	if s := r.summary(); s.Close != edgeClosed(code, "hammer") {
		t.Errorf("seed %d: summary %+v", seed, s)
	}
}
