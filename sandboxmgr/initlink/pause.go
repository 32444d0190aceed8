package initlink

import "time"

// SetPaused says that everything in the sandbox is frozen, or that it runs
// again. While it is frozen, and for a moment after that, nothing that the init
// does or leaves counts as a breach of the protocol: calls that were under way
// are answered late, or not at all.
func (l *Link) SetPaused(paused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = paused
	if !paused {
		l.excused = time.Now().Add(violationWindow)
	}
}
