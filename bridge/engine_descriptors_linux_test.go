package bridge

import (
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// echoFrames is a backend that answers each message of a client, unmasked and so
// never in doubt whose it is, until the client has left.
func echoFrames(c *raw) {
	c.SetDeadline(time.Now().Add(6 * wait))
	c.head()
	io.WriteString(c, upgradeAnswer)
	for {
		var h [6]byte
		if _, err := io.ReadFull(c.br, h[:]); err != nil {
			return
		}
		p := make([]byte, h[1]&0x7f) // of a short frame
		if _, err := io.ReadFull(c.br, p); err != nil {
			return
		}
		for i := range p {
			p[i] ^= h[2+i&3]
		}
		if h[0] == bitFin|opClose {
			c.Write(frame(h[0], string(p), false))
			return
		}
		if _, err := c.Write(frame(h[0], string(p), false)); err != nil {
			return
		}
	}
}

// echoes says that a message of its own comes back over r.
func echoes(r *raw, nonce string) bool {
	r.Write(frame(0x81, nonce, true))
	want := frame(0x81, nonce, false)
	got := make([]byte, len(want))
	n, err := io.ReadFull(r.br, got)
	if err != nil || string(got) != string(want) {
		r.t.Errorf("sent %q, got %q, %v", nonce, got[:n], err)
		return false
	}
	return true
}

// TestEngineFewDescriptors: an edge with hardly any descriptors refuses what it
// cannot carry, keeps what it carries, and carries more when there are some again.
func TestEngineFewDescriptors(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		const files = 80
		c := e.child(t, backend(t, echoFrames), files)
		var live []*raw
		refused := 0
		for refused < 20 {
			r := dialRaw(t, c.addr)
			r.SetDeadline(time.Now().Add(6 * wait))
			if c.carries(r, files) {
				live = append(live, r)
			} else {
				r.Close()
				refused++
			}
			if len(live) > files {
				t.Fatal("more bridges than descriptors")
			}
		}
		t.Logf("%d bridges in %d descriptors", len(live), files)
		if len(live) < 20 {
			t.Errorf("%d bridges in %d descriptors", len(live), files)
		}
		for i, r := range live {
			echoes(r, strconv.Itoa(i))
		}
		half := len(live) / 2
		for _, r := range live[:half] {
			r.Close()
		}
		fresh := 0
		eventually(t, func() bool { // there is room again
			r := dialRaw(t, c.addr)
			r.SetDeadline(time.Now().Add(wait))
			if !r.upgraded() {
				r.Close()
				return false
			}
			live = append(live, r)
			fresh++
			return fresh >= half/2
		}, func() { t.Errorf("%d new bridges after %d had ended", fresh, half) })
		for i, r := range live[half:] {
			r.SetDeadline(time.Now().Add(3 * wait))
			echoes(r, strconv.Itoa(i))
			r.Close()
		}
	})
}

// carries says whether the edge, which may have so many descriptors, makes a bridge
// of r. It refuses one, or has none left to accept it with.
func (c *childEdge) carries(r *raw, files int) bool {
	c.t.Helper()
	answered := make(chan bool, 1)
	go func() { answered <- r.upgraded() }()
	for {
		select {
		case ok := <-answered:
			return ok
		case <-time.After(500 * time.Millisecond):
			if c.count().files >= files {
				r.Close()
				<-answered
				return false
			}
		}
	}
}

// upgraded sends a handshake and says whether it was accepted.
func (r *raw) upgraded() bool {
	io.WriteString(r, upgradeRequest)
	for line := ""; line != "\r\n"; {
		var err error
		first := line == ""
		if line, err = r.br.ReadString('\n'); err != nil || first && line != upgradeAtClient[:len(line)] {
			return false
		}
	}
	return true
}

// TestEngineNoDescriptorToBegin: with just enough for a bridge's own connections, or
// fewer, nothing breaks: the bridge works, or is refused, or ends at once.
func TestEngineNoDescriptorToBegin(t *testing.T) {
	everyEngine(t, func(t *testing.T, e engineCase) {
		for free := range 7 {
			c := e.child(t, backend(t, echoFrames), 100)
			before := c.count()
			c.tell("leave " + strconv.Itoa(free))
			r := dialRaw(t, c.addr)
			r.SetDeadline(time.Now().Add(time.Second))
			worked := r.upgraded()
			if worked {
				r.Write(frame(0x81, "hello", true))
				got := make([]byte, len(frame(0x81, "hello", false)))
				n, err := io.ReadFull(r.br, got)
				if n > 0 && (err != nil || string(got) != string(frame(0x81, "hello", false))) {
					t.Errorf("%d free: got %q, %v", free, got[:n], err)
				}
			}
			t.Logf("%d free: accepted %v", free, worked)
			r.Close()
			c.tell("release")
			eventually(t, func() bool { // whatever it was, now there is enough
				r := dialRaw(t, c.addr)
				defer r.Close()
				return r.upgraded() && echoes(r, "again")
			}, func() { t.Errorf("%d free: nothing works afterwards", free) })
			c.settled(before)
		}
	})
}

// opens is how many bridges TestEngineOpensAndCloses makes of each engine.
func opens() int {
	if n, _ := strconv.Atoi(os.Getenv("EDGE_BRIDGE_OPENS")); n > 0 {
		return n
	}
	return 3000
}

// TestEngineOpensAndCloses: bridges that come and go and end in all ways, a number
// of them at a time, hear what they are told and nothing of each other's, and leave
// no descriptor, goroutine or entry behind.
func TestEngineOpensAndCloses(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		c := e.child(t, backend(t, echoFrames), mostFiles)
		warm := c.open()
		if warm == nil || !echoes(warm, "warm") {
			t.Fatal("the first bridge was refused")
		}
		warm.reset()
		seed := rand.Uint64()
		total := opens()
		t.Logf("seed %d, %d bridges", seed, total)
		time.Sleep(200 * time.Millisecond) // what a first bridge starts may linger: it is counted or not
		before := c.count()
		var wg sync.WaitGroup
		var next atomic.Int64
		for worker := range 8 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(worker)))
				for n := next.Add(1); n <= int64(total) && !t.Failed(); n = next.Add(1) {
					c.comeAndGo(rnd, strconv.FormatInt(n, 10))
				}
			})
		}
		wg.Wait()
		c.settled(before)
		t.Logf("before %+v, after %+v", before, c.count())
	})
}

// comeAndGo is the life of one bridge.
func (c *childEdge) comeAndGo(rnd *rand.Rand, nonce string) {
	r := c.open()
	if r == nil {
		c.t.Error("a bridge was refused")
		return
	}
	defer r.reset() // leaves no port waiting
	for range rnd.IntN(3) {
		if !echoes(r, nonce) {
			return
		}
	}
	switch rnd.IntN(5) {
	case 0: // is reset at once
	case 1:
		r.Write(frame(0x82, nonce, true)[:3]) // and in a header
	case 2:
		r.CloseWrite()
		r.expectEnd()
	case 3:
		r.Write(frame(0x88, "\x03\xe8"+nonce, true))
		r.expect(string(frame(0x88, "\x03\xe8"+nonce, false)))
	case 4:
		r.Write(frame(0x83, "", true))
		r.expectClose(false, 1002, "reserved opcode")
	}
}
