package bridge

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// soak is how much TestEngineSoak carries, both ways together, and through how many
// bridges at a time. The environment makes it more.
func soak() (total int64, bridges int) {
	total, bridges = 64<<20, 100
	if n, _ := strconv.Atoi(os.Getenv("EDGE_BRIDGE_MIB")); n > 0 {
		total = int64(n) << 20
	}
	if n, _ := strconv.Atoi(os.Getenv("EDGE_BRIDGE_BRIDGES")); n > 0 {
		bridges = n
	}
	return total, bridges
}

// TestEngineSoak: many bridges at once, in random slices, with random delays and
// pauses on all four ends. Every byte arrives, and nothing else.
func TestEngineSoak(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		total, bridges := soak()
		seed := rand.Uint64()
		t.Logf("seed %d: %d MiB through %d bridges", seed, total>>20, bridges)
		rigs, said := make([]*rig, bridges), make([][2]*traffic, bridges)
		var wg sync.WaitGroup
		for i := range rigs {
			rigs[i] = e.rig(t, Policy{Deflate: i%2 == 0})
			said[i] = rigs[i].converse(&wg, seed+uint64(2*i), total/int64(2*bridges))
		}
		wg.Wait()
		for i, r := range rigs {
			s, up, down := r.summary(), said[i][0], said[i][1]
			if s.Err != nil || s.BytesIn != up.sent || s.BytesOut != down.sent || s.MessagesIn != up.messages || s.MessagesOut != down.messages {
				t.Errorf("bridge %d: %+v, sent were %d and %d bytes", i, s, up.sent, down.sent)
			}
		}
	})
}

// converse sends total bytes each way and checks that they arrive exact. What it
// returns holds when wg is done.
func (r *rig) converse(wg *sync.WaitGroup, seed uint64, total int64) (said [2]*traffic) {
	for i, s := range r.sides() {
		s.from.SetDeadline(time.Time{})
		said[i] = newTraffic(seed+uint64(i), s.masked)
		again := newTraffic(seed+uint64(i), s.masked)
		wg.Go(func() {
			if err := said[i].send(s.from, total, rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
				r.t.Errorf("seed %d, %v: %v", seed, s, err)
			}
			s.from.CloseWrite()
		})
		wg.Go(func() {
			n, tail, err := again.verify(s.to.br, rand.New(rand.NewPCG(seed, uint64(2+i))))
			if n < total || len(tail) > 0 || err != nil {
				r.t.Errorf("seed %d, %v: %d bytes of %d, then % .20x, %v", seed, s, n, total, tail, err)
			}
		})
	}
	return said
}

// TestEngineSoakFaults: the same, and each bridge breaks somewhere: it is closed by
// the edge, or either side is reset or leaves. What arrived is an exact prefix, and
// behind it there is at most one whole Close of the edge's.
func TestEngineSoakFaults(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		_, bridges := soak()
		seed := rand.Uint64()
		t.Logf("seed %d: %d bridges", seed, bridges)
		var wg sync.WaitGroup
		for i := range bridges {
			r := e.rig(t, Policy{})
			fault := rand.New(rand.NewPCG(seed, uint64(i)))
			r.breakOff(&wg, seed+uint64(2*i), fault)
		}
		wg.Wait()
	})
}

// breakOff has both sides talk for ever and then a fault come.
func (r *rig) breakOff(wg *sync.WaitGroup, seed uint64, fault *rand.Rand) {
	var ends sync.WaitGroup
	kind, pause := fault.IntN(5), time.Duration(fault.IntN(20_000))*time.Microsecond
	for i, s := range r.sides() {
		said, again := newTraffic(seed+uint64(i), s.masked), newTraffic(seed+uint64(i), s.masked)
		ends.Go(func() { said.send(s.from, forever, rand.New(rand.NewPCG(seed, uint64(i)))) })
		ends.Go(func() {
			defer s.to.Close() // who has heard the end speaks no more
			n, code, err := again.prefix(s.to.br, rand.New(rand.NewPCG(seed, uint64(2+i))))
			here := errors.Is(err, net.ErrClosed) // the fault was the reader's own end
			if err != nil && !here || code != 0 && (code != 1012 || kind != 0) {
				r.t.Errorf("seed %d, fault %d, %v: %d bytes, close code %d, %v", seed, kind, s, n, code, err)
			}
		})
	}
	wg.Go(func() {
		time.Sleep(pause) // where in the traffic, not a wait
		switch kind {
		case 0:
			r.live.Close(1012, "fault")
		case 1:
			r.client.reset()
		case 2:
			r.backend.reset()
		case 3:
			r.client.Close()
		case 4:
			r.backend.Close()
		}
		ends.Wait()
		r.summary()
	})
}
