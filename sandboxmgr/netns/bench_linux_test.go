package netns

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/bridge/socket"
)

// What a dial by namespace may take at the median, and how many are wanted each
// second from 100 callers at once.
const (
	wantMedian = 100 * time.Microsecond
	wantRate   = 5000
	callers    = 100
)

// drop closes a connection so that no port stays in TIME_WAIT.
func drop(c net.Conn) {
	c.(*socket.Conn).SetLinger(0)
	c.Close()
}

// BenchmarkDial is one dial after the other.
func BenchmarkDial(b *testing.B) {
	n := open(b, NewGate(2))
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		c, err := n.Dial(b.Context(), portV4)
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
		b.StopTimer()
		drop(c)
		b.StartTimer()
	}
	slices.Sort(times)
	median := times[len(times)/2]
	b.ReportMetric(float64(median.Nanoseconds())/1000, "us/p50")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1000, "us/p99")
	b.ReportMetric(float64(median)/float64(wantMedian), "of-allowed")
}

// BenchmarkDialMany is many callers at once, as the edge has them.
func BenchmarkDialMany(b *testing.B) {
	n := open(b, NewGate(4))
	var turn atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			for turn.Add(1) <= int64(b.N) {
				c, err := n.Dial(b.Context(), portV4)
				if err != nil {
					b.Error(err)
					return
				}
				drop(c)
			}
		})
	}
	wg.Wait()
	rate := float64(b.N) / time.Since(began).Seconds()
	b.ReportMetric(rate, "dials/s")
	b.ReportMetric(rate/wantRate, "of-wanted")
}
