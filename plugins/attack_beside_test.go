package plugins

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkArrivesBesideSpinning is a decision that comes now and then, with one
// slot for all guests and those of other plugins computing without an end: unlike
// decisions that follow each other at once, each finds the slot taken.
func BenchmarkArrivesBesideSpinning(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, n := range []int{1, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := newBench(b, Config{})
			quiet := r.load(b, responding("fine"), func(s *Spec) { s.Name = "quiet" })
			defer spin(b, r, n)()
			ticker := time.NewTicker(3 * time.Millisecond)
			defer ticker.Stop()
			var waits, late []time.Duration
			for b.Loop() {
				at := <-ticker.C
				late = append(late, time.Since(at))
				begun := time.Now()
				if _, err := quiet.Decide(context.Background(), newRequest()); err != nil {
					b.Fatal(err)
				}
				waits = append(waits, time.Since(begun))
			}
			slices.Sort(waits)
			slices.Sort(late)
			b.ReportMetric(float64(waits[len(waits)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(waits[len(waits)*99/100])/1e6, "p99-ms")
			b.ReportMetric(float64(late[len(late)*99/100])/1e6, "ticker-p99-ms")
		})
	}
}

// TestNewcomerIsNext has guests of several plugins want every turn: one of another
// plugin that comes by is next, and no more often than once in their round.
func TestNewcomerIsNext(t *testing.T) {
	t.Parallel()
	s := newSlots()
	s.free.Store(0)
	busy, quiet := make([]slotLine, 3), new(slotLine)
	names := map[*slotLine]string{quiet: "q", &busy[0]: "a", &busy[1]: "b", &busy[2]: "c"}
	arrive := func(l *slotLine) { s.push(l, &slotWaiter{told: make(chan struct{}, 1), since: time.Now()}) }
	for i := range busy {
		for range 8 {
			arrive(&busy[i])
		}
	}
	order := ""
	turn := func() {
		line := s.turns[0]
		s.pop()
		order += names[line]
	}
	for range 2 {
		turn()
	}
	for range 4 { // quiet comes again as soon as it had its turn
		arrive(quiet)
		for len(quiet.waiters) > 0 {
			turn()
		}
	}
	if want := "cb" + "q" + "aq"; order[:5] != want {
		t.Errorf("turns went to %s, want %s first", order, want)
	}
	for _, name := range []string{"a", "b", "c"} {
		if n := strings.Count(order, name); n < 2 {
			t.Errorf("turns went to %s: %s had %d", order, name, n)
		}
	}
}
