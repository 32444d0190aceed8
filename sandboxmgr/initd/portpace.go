package initd

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// The kernel tells nobody that a port is listened on, so that it has to be looked
// at. The pause between two looks is a part of the time since something stirred: a
// process started or ended, the edge asked for something, a port changed. So a server
// is noticed late by no more than that part of its own start, and a sandbox in which
// nothing happens costs close to nothing.
const (
	pacePart    = 8
	minPace     = 50 * time.Millisecond
	maxPace     = 2 * time.Minute
	maxDearPace = 4 * time.Minute // where one look costs milliseconds
	dearFactor  = 20
)

// pauseAfter is the pause between two looks, when something stirred that long ago.
func pauseAfter(quiet time.Duration, dear bool) time.Duration {
	if dear {
		return min(max(quiet/pacePart, dearFactor*minPace), maxDearPace)
	}
	return min(max(quiet/pacePart, minPace), maxPace)
}

// pace is what stirs, for those who wait to look.
type pace struct {
	began time.Time    // of the clock that last counts by
	last  atomic.Int64 // when something stirred last, in nanoseconds

	mu      sync.Mutex
	waiting map[chan struct{}]struct{}
}

func newPace() *pace {
	return &pace{began: time.Now(), waiting: map[chan struct{}]struct{}{}}
}

// stir says that something happens. It costs a few nanoseconds when it is called
// often: who waits looks as soon anyway.
func (p *pace) stir() {
	now := int64(time.Since(p.began))
	if was := p.last.Swap(now); was != 0 && now-was < int64(minPace) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.waiting {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// quiet is how long nothing has stirred.
func (p *pace) quiet() time.Duration {
	return time.Since(p.began) - time.Duration(p.last.Load())
}

// join returns what is told of every stir after a rest. The caller calls leave.
func (p *pace) join() (stirred <-chan struct{}, leave func()) {
	w := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[w] = struct{}{}
	return w, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, w)
	}
}

// await waits until the next look is due, the last one having been at that time. It
// returns ctx's error if that ends first.
func (p *pace) await(ctx context.Context, stirred <-chan struct{}, looked time.Time, dear bool) error {
	for {
		left := time.Until(looked.Add(pauseAfter(p.quiet(), dear)))
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-stirred:
		case <-ctx.Done():
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
