package plugins

import (
	"errors"
	"sync/atomic"
	"time"
)

const (
	// maxCrashes is how many instances in a row may fail before they served a single
	// request; after that the next one is made later and later.
	maxCrashes = 3
	// firstPause is how long no instance is made then; it doubles with each that
	// fails, up to longestPause.
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// errCrashLoop is a request that finds no instance, and none is made now.
var errCrashLoop = errors.New("the plugin's instances fail again and again")

// crashLoop slows down a generation whose instances fail one after the other: to
// make them is work that serves nobody. Its zero value is a generation of which
// nothing bad is known.
type crashLoop struct {
	crashes atomic.Int32
	until   atomic.Int64 // Unix nanoseconds
}

// crashed notes that an instance failed before it served a request. It returns
// how long no other is made.
func (c *crashLoop) crashed(now time.Time) time.Duration {
	n := c.crashes.Add(1)
	if n < maxCrashes {
		return 0
	}
	pause := longestPause
	if doubled := n - maxCrashes; doubled < 10 {
		pause = min(pause, firstPause<<doubled)
	}
	c.until.Store(now.Add(pause).UnixNano())
	return pause
}

// served notes that an instance served a request.
func (c *crashLoop) served() {
	if c.crashes.Load() != 0 {
		c.crashes.Store(0)
		c.until.Store(0)
	}
}

// pausing tells whether no instance is to be made now.
func (c *crashLoop) pausing() bool {
	until := c.until.Load()
	return until != 0 && time.Now().UnixNano() < until
}
