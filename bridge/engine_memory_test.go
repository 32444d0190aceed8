package bridge

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	maxHeld    = 128 << 10 // of a direction whose reader is stuck
	maxMessage = 512 << 10 // of a message that does not come to its end
)

// heapNow is what is live on the heap. Pools are empty after two collections.
func heapNow() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// shallow keeps little in the kernel on either end, so that what the engine holds
// is not hidden behind it.
func shallow(c net.Conn) net.Conn {
	s := c
	if h, ok := c.(hidden); ok {
		s = h.Conn
	}
	s.(*net.TCPConn).SetReadBuffer(64 << 10)
	s.(*net.TCPConn).SetWriteBuffer(64 << 10)
	return c
}

// TestEngineStuckReader: a peer that does not read costs no more than one buffer,
// stalls its own bridge, and nobody else. When it reads on, nothing is missing.
func TestEngineStuckReader(t *testing.T) { // not parallel: it looks at the heap
	eachEngine(t, func(t *testing.T, e engineCase) {
		const bridges = 24
		other := e.rig(t, Policy{})
		e.wrap = chain(shallow, e.wrap)
		var sides []side
		var said []*traffic
		for i := range bridges {
			r := e.rig(t, Policy{})
			shallow(r.client.TCPConn)
			shallow(r.backend.TCPConn)
			for j, s := range r.sides() {
				s.from.SetDeadline(time.Time{})
				sides, said = append(sides, s), append(said, newTraffic(uint64(2*i+j), s.masked))
			}
		}
		before := heapNow()
		var wg sync.WaitGroup
		for i, s := range sides {
			wg.Go(func() { fill(t, s.from, said[i]) })
		}
		wg.Wait()
		held := heapNow() - before
		t.Logf("%d bytes held a direction", held/int64(len(sides)))
		if held > int64(len(sides))*maxHeld {
			t.Errorf("%d bytes held a direction", held/int64(len(sides)))
		}
		for range 100 { // the others go on
			for _, s := range other.sides() {
				f := frame(0x82, text(1000), s.masked)
				s.from.Write(f)
				s.to.expect(string(f))
			}
		}
		for i, s := range sides {
			s.from.CloseWrite()
			wg.Go(func() {
				s.to.SetReadDeadline(time.Now().Add(6 * wait))
				n, tail, err := newTraffic(uint64(i), s.masked).verify(s.to.br, nil)
				if n != said[i].sent || len(tail) > 0 || err != nil {
					t.Errorf("%d %v: %d bytes of %d, then % .20x, %v", i, s, n, said[i].sent, tail, err)
				}
			})
		}
		wg.Wait()
	})
}

// TestEngineStuckIsClosed: a bridge neither side of which reads ends within its
// bound when it is closed from outside.
func TestEngineStuckIsClosed(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		r := e.rig(t, Policy{})
		var wg sync.WaitGroup
		said := [2]*traffic{newTraffic(1, true), newTraffic(2, false)}
		for i, s := range r.sides() {
			wg.Go(func() { fill(t, s.from, said[i]) })
		}
		wg.Wait()
		r.live.Close(1008, "stuck")
		if s := r.summary(); s.Close != edgeClosed(1008, "stuck") {
			t.Errorf("summary %+v", s)
		}
		for i, s := range r.sides() { // nothing was torn by it
			again := newTraffic(uint64(i+1), s.masked)
			if n, _, err := again.prefix(s.to.br, nil); err != nil || n > said[i].sent {
				t.Errorf("%v: %d of %d, %v", s, n, said[i].sent, err)
			}
		}
	})
}

// TestEngineHugeMessage: the first bytes of 128 MiB in one frame arrive at once, and
// the rest of it passes through little memory.
func TestEngineHugeMessage(t *testing.T) { // not parallel: it looks at the heap
	eachEngine(t, func(t *testing.T, e engineCase) {
		const size, middle, bridges = 128 << 20, 1 << 20, 8
		e.wrap = chain(shallow, e.wrap)
		block := noise()
		var unfinished []side
		for i := range bridges {
			r := e.rig(t, Policy{})
			s := r.sides()[i%2]
			shallow(s.from.TCPConn)
			shallow(s.to.TCPConn)
			head := lengthForm(0x82, size, s.masked)
			s.from.Write(join(head, []byte("first")))
			s.to.expect(string(head) + "first") // while 128 MiB are still to come
			unfinished = append(unfinished, s)
		}
		before := heapNow()
		var wg sync.WaitGroup
		for _, s := range unfinished { // to the middle of it, and then nobody reads
			wg.Go(func() {
				for sent := 0; ; {
					if sent >= middle {
						s.from.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
					}
					n, err := s.from.Write(block)
					if sent += n; err != nil {
						return
					}
				}
			})
			wg.Go(func() { io.CopyN(io.Discard, s.to, middle) })
		}
		wg.Wait()
		held := heapNow() - before
		t.Logf("%d bytes held a message", held/bridges)
		if held > bridges*maxMessage {
			t.Errorf("%d bytes held a message", held/bridges)
		}
		wholeMessage(t, e.rig(t, Policy{}).fromBackend(), size)
		wholeMessage(t, e.rig(t, Policy{}).fromClient(), size)
	})
}

// wholeMessage sends one message of size bytes, which arrives exact without the
// engine allocating for it.
func wholeMessage(t *testing.T, s side, size int) {
	block, buf := noise(), make([]byte, 256<<10)
	head := lengthForm(0x82, uint64(size), s.masked)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	wg.Go(func() {
		s.from.Write(head)
		for left := size; left > 0; {
			n, err := s.from.Write(block[:min(len(block), left)])
			if left -= n; err != nil {
				t.Errorf("%v: write: %v", s, err)
				return
			}
		}
	})
	s.to.expect(string(head))
	for at := 0; at < size; {
		n, err := s.to.br.Read(buf[:min(len(buf), size-at, len(block)-at%len(block))])
		if err != nil {
			t.Fatalf("%v: read at %d: %v", s, at, err)
		}
		if k := at % len(block); string(buf[:n]) != string(block[k:k+n]) {
			t.Fatalf("%v: bytes differ behind %d", s, at)
		}
		at += n
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	// An engine that makes buffers for what it carries makes as much again; a pool
	// loses a quarter of what it is given under the race detector.
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(size)*3/4 {
		t.Errorf("%v: %d MiB allocated for %d", s, n>>20, size>>20)
	}
	s.from.Close()
	if _, err := s.to.br.ReadByte(); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v: then %v", s, err)
	}
}
