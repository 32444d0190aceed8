package sandboxmgr

import (
	"slices"
	"time"
)

// drain is what came through an exposure that was taken back, and may go on for a
// while. It is in memory alone: no connection outlives the edge.
type drain struct {
	key         key
	port        int
	connections []uint64
	end         time.Time
}

// drain has what is open through the port's exposure, which is erased, closed at the
// end. Who was let in is open by then, and who was not is refused. t.write is held.
func (t *exposures) drain(k key, port int, end time.Time) {
	open := t.through(k, port)
	if len(open) == 0 {
		return
	}
	t.mu.Lock()
	t.drains = append(t.drains, drain{k, port, open, end})
	t.mu.Unlock()
	t.nudge()
}

// shorten ends the drains of a port, of all ports for 0, no later than end. t.write
// is held.
func (t *exposures) shorten(k key, port int, end time.Time) {
	t.mu.Lock()
	for i := range t.drains {
		d := &t.drains[i]
		if d.key == k && (port == 0 || d.port == port) && end.Before(d.end) {
			d.end = end
		}
	}
	t.mu.Unlock()
	t.endDrains(time.Now())
	t.nudge()
}

// endDrains closes what has drained for long enough and returns how long the next
// one has, farAway if there is none.
func (t *exposures) endDrains(now time.Time) (next time.Duration) {
	next = farAway
	var over []drain
	t.mu.Lock()
	t.drains = slices.DeleteFunc(t.drains, func(d drain) bool {
		if now.Before(d.end) {
			next = min(next, maxExpiryPause, d.end.Sub(now))
			return false
		}
		over = append(over, d)
		return true
	})
	t.mu.Unlock()
	for _, d := range over {
		t.m.config.Connections.Close(d.connections, closePolicy, whyTakenBack)
	}
	return next
}

// through returns what is open through the port's exposure, less what came through
// an earlier one and drains.
func (t *exposures) through(k key, port int) []uint64 {
	open := t.m.config.Connections.Through(k.binding, k.id, port)
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, d := range t.drains {
		if d.key == k && d.port == port {
			open = slices.DeleteFunc(open, func(id uint64) bool {
				_, drains := slices.BinarySearch(d.connections, id)
				return drains
			})
		}
	}
	return open
}
