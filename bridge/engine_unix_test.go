package bridge

import (
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// unixPair is two ends of one Unix connection.
func unixPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if far, err = net.Dial("unix", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	far.SetDeadline(time.Now().Add(6 * wait))
	return near, far
}

// TestEngineUnix: a backend behind a Unix socket hears and is heard exact, each half
// ends by itself, and the edge's Close stands behind what was said.
func TestEngineUnix(t *testing.T) {
	everySocketEngine(t, func(t *testing.T, e engineCase) {
		for _, closed := range []bool{false, true} {
			const size = 1 << 20
			nearClient, client := tcpPair(t)
			client.SetDeadline(time.Now().Add(6 * wait))
			nearBackend, backend := unixPair(t)
			ended := make(chan Summary, 1)
			live := e.engine.Bridge(nearClient, nearBackend, nil, Policy{DeadPeer: wait}, func(s Summary) { ended <- s })
			ends := [2]net.Conn{client, backend}
			var said [2]*traffic
			var wg sync.WaitGroup
			var rest sync.WaitGroup
			for i := range ends {
				said[i] = newTraffic(uint64(i), i == 0)
				again := newTraffic(uint64(i), i == 0)
				wg.Go(func() {
					if err := said[i].send(ends[i], size, rand.New(rand.NewPCG(1, uint64(i)))); err != nil {
						t.Errorf("direction %d: %v", i, err)
					}
					if !closed {
						closeWrite(ends[i])
					}
				})
				rest.Go(func() {
					n, code, err := again.prefix(ends[1-i], nil)
					if err != nil || closed != (code == 1012) || !closed && n < size {
						t.Errorf("direction %d: %d bytes, close code %d, %v", i, n, code, err)
					}
				})
			}
			wg.Wait()
			if closed {
				live.Close(1012, "restart")
			}
			rest.Wait()
			client.Close()
			backend.Close()
			s := within(t, ended, "the bridge did not end")
			if s.Err != nil || !closed && (s.BytesIn != said[0].sent || s.BytesOut != said[1].sent) {
				t.Errorf("summary %+v, sent were %d and %d bytes", s, said[0].sent, said[1].sent)
			}
		}
	})
}
