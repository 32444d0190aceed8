package plugins

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestOthersTimeIsNotComputed has a guest hand its processor to goroutines that keep it: none
// of what they take is the guest's.
func TestOthersTimeIsNotComputed(t *testing.T) {
	t.Parallel()
	quit := make(chan struct{})
	var hogs sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		hogs.Go(func() { hog(quit) })
	}
	begun := time.Now()
	in := &instance{asked: begun, stint: stint{since: begun, end: begun.Add(time.Minute)}}
	const own = 3 * time.Millisecond // what it computed when it yields
	now := begun.Add(own)
	resumed := in.standAside(now)
	close(quit)
	hogs.Wait()
	if !resumed.After(begun) {
		t.Fatalf("it resumed at %v, and began at %v", resumed, begun)
	}
	if got := resumed.Sub(in.stint.since); got != own {
		t.Errorf("it computed for %v, want %v", got, own)
	}
	if got := in.stint.end.Sub(resumed); got != time.Minute-own {
		t.Errorf("it may compute for %v, want %v", got, time.Minute-own)
	}
	if got := resumed.Sub(in.asked); got != own {
		t.Errorf("it asked for fuel %v ago, want %v", got, own)
	}
}

// hog keeps a processor until quit is closed.
func hog(quit <-chan struct{}) {
	for {
		select {
		case <-quit:
			return
		default:
		}
	}
}
