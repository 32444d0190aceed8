package initd

import "sync/atomic"

// budget is memory that several buffers share.
type budget struct{ left atomic.Int64 }

func newBudget(bytes int64) *budget {
	b := &budget{}
	b.left.Store(bytes)
	return b
}

// take takes n bytes if they are there.
func (b *budget) take(n int) bool {
	if b.left.Add(-int64(n)) < 0 {
		b.left.Add(int64(n))
		return false
	}
	return true
}

// give returns n bytes that were taken.
func (b *budget) give(n int) { b.left.Add(int64(n)) }
