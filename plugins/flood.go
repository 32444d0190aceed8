package plugins

import (
	"sync"
	"time"
)

const (
	// maxLogLines is what a version of a plugin may say in the edge's log in
	// logWindow; what it says beyond that is counted and dropped.
	maxLogLines = 1000
	logWindow   = time.Second
)

// flood keeps a plugin that says too much from filling the log. The log is told
// once a window how many lines were dropped, whether or not the plugin says more.
type flood struct {
	mu      sync.Mutex
	since   time.Time // when the window began
	lines   int       // in this window
	dropped int       // not told of yet
	timer   *time.Timer
}

// allows tells whether one more line may be said. tell is called, perhaps later
// and in a goroutine of its own, with how many may not.
func (f *flood) allows(tell func(dropped int)) bool {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.since) >= logWindow {
		f.since, f.lines = now, 0
	}
	if f.lines < maxLogLines {
		f.lines++
		return true
	}
	f.dropped++
	if f.timer == nil {
		f.timer = time.AfterFunc(logWindow-now.Sub(f.since), func() { f.settle(tell) })
	}
	return false
}

// settle tells of what was dropped since it was told of last.
func (f *flood) settle(tell func(dropped int)) {
	f.mu.Lock()
	dropped := f.dropped
	f.dropped = 0
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	f.mu.Unlock()
	if dropped > 0 {
		tell(dropped)
	}
}

// maySay tells whether the guest may say one more line in the log.
func (g *generation) maySay() bool { return g.flood.allows(g.tellDropped) }

// tellDropped tells the log what is not in it.
func (g *generation) tellDropped(dropped int) {
	g.log().Warn("a plugin says too much: lines of it were dropped", "dropped", dropped, "allowed", maxLogLines, "per", logWindow)
}
