package plugins

import (
	"sync/atomic"
	"time"
)

// canary is a new generation that serves a share of the requests.
type canary struct {
	gen       *generation
	percent   uint64 // 1 to 99
	asked     atomic.Uint64
	promotion *time.Timer
}

// takes tells whether the next request is the canary's. Of any hundred requests in
// a row it takes its percentage, and they lie apart.
func (c *canary) takes() bool {
	n := c.asked.Add(1) % 100
	return (n+1)*c.percent/100 != n*c.percent/100
}
