package plugins

import "runtime"

// slots bounds how many guests execute at once, whatever the number of plugins
// and instances, so that the connections the host carries keep a core to
// themselves. A guest that waits in a host call holds no slot.
type slots chan struct{}

func newSlots() slots { return make(slots, max(1, runtime.GOMAXPROCS(0)-1)) }

// take waits for a slot. It is false, without one, if one of the ends came
// first; a nil end never comes.
func (s slots) take(end, otherEnd <-chan struct{}) bool {
	select {
	case s <- struct{}{}:
		return true
	default:
	}
	select {
	case s <- struct{}{}:
		return true
	case <-end:
	case <-otherEnd:
	}
	return false
}

// give returns a slot that take got.
func (s slots) give() { <-s }
