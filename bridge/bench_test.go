package bridge

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// echoRaw sends back whatever frame-sized pieces come, without masks: the
// scanner sees a server's frames of the same size.
func echoRaw(c *raw, size int) {
	in, out := make([]byte, len(frame(0x82, text(size), true))), frame(0x82, text(size), false)
	for {
		if _, err := io.ReadFull(c.br, in); err != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func roundTrips(b *testing.B, c *raw, size int) {
	f, reply := frame(0x82, text(size), true), make([]byte, len(frame(0x82, text(size), false)))
	c.SetDeadline(time.Time{})
	b.ReportAllocs()
	for b.Loop() {
		c.Write(f)
		if _, err := io.ReadFull(c.br, reply); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEcho is one 64 B message there and back, through a pair and without.
func BenchmarkEcho(b *testing.B) {
	b.Run("direct", func(b *testing.B) {
		near, far := tcpPair(b)
		defer near.Close()
		go echoRaw(newRaw(b, near), 64)
		near.SetDeadline(time.Time{})
		roundTrips(b, far, 64)
	})
	b.Run("pair", func(b *testing.B) {
		r := newRig(b, Policy{}, nil)
		r.backend.SetDeadline(time.Time{})
		go echoRaw(r.backend, 64)
		roundTrips(b, r.client, 64)
	})
}

// BenchmarkThroughput streams 64 KiB messages one way.
func BenchmarkThroughput(b *testing.B) {
	stream := func(b *testing.B, from, to *raw) {
		from.SetDeadline(time.Time{})
		to.SetDeadline(time.Time{})
		f := frame(0x82, text(64<<10), false)
		b.SetBytes(64 << 10)
		var wg sync.WaitGroup
		wg.Go(func() { io.CopyN(io.Discard, to, int64(b.N)*int64(len(f))) })
		b.ResetTimer()
		for range b.N {
			from.Write(f)
		}
		wg.Wait()
	}
	b.Run("direct", func(b *testing.B) {
		near, far := tcpPair(b)
		stream(b, newRaw(b, near), far)
	})
	b.Run("pair", func(b *testing.B) {
		r := newRig(b, Policy{}, nil)
		stream(b, r.backend, r.client)
	})
}

// BenchmarkIdle reports the memory of a bridge on which nothing happens, sockets
// of the edge included, those of the test too.
func BenchmarkIdle(b *testing.B) {
	const n = 500
	var before, after runtime.MemStats
	for b.Loop() {
		ends := make([][2]net.Conn, n)
		for i := range ends {
			ends[i][0], _ = tcpPair(b)
			ends[i][1], _ = tcpPair(b)
		}
		var ended sync.WaitGroup
		ended.Add(n)
		var e Pair
		runtime.GC()
		runtime.ReadMemStats(&before)
		for _, c := range ends {
			e.Bridge(c[0], c[1], nil, Policy{}, func(Summary) { ended.Done() })
		}
		time.Sleep(50 * time.Millisecond) // both goroutines of each wait for data
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/bridge")
		for _, c := range ends {
			c[0].Close()
			c[1].Close()
		}
		ended.Wait()
	}
}

// BenchmarkHandshake is a whole upgrade through the relay: connect, both
// handshakes, close.
func BenchmarkHandshake(b *testing.B) {
	e := newEdge(b, backend(b, func(c *raw) { c.head(); c.send(upgradeAnswer); c.br.ReadByte() }))
	e.ended = make(chan Summary, 1)
	b.ReportAllocs()
	for b.Loop() {
		c := dialRaw(b, e.addr)
		c.send(upgradeRequest)
		c.expect(upgradeAtClient)
		c.Close()
		<-e.ended
	}
}

// BenchmarkHTTP is a small request and answer on kept connections.
func BenchmarkHTTP(b *testing.B) {
	e := newEdge(b, backend(b, func(c *raw) {
		for {
			for line := []byte(nil); len(line) != 2; {
				var err error
				if line, err = c.br.ReadSlice('\n'); err != nil {
					return
				}
			}
			c.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
		}
	}))
	c := e.dial()
	c.SetDeadline(time.Time{})
	want := len("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	reply := make([]byte, want)
	b.ReportAllocs()
	for b.Loop() {
		c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := io.ReadFull(c.br, reply); err != nil {
			b.Fatal(err)
		}
		<-e.ended
	}
}
