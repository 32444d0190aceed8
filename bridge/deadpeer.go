package bridge

import "time"

// How DeadPeer is divided. A peer that takes nothing is found by the edge, before
// the kernel gives the connection up for the same reason, so that the log can
// tell it from one that is gone.
const (
	stallSteps = 6  // how often within DeadPeer a sink is looked at
	stallAfter = 5  // steps without anything taken that make it stalled
	probeParts = 12 // of DeadPeer between two keepalive probes, after half of it
)

// patience watches over one wait for a sink. The zero value begins one.
type patience struct {
	since   time.Time // the sink took something, or the wait began
	untaken int
}

// lost looks at the sink, about once a step, and says whether it has stalled.
// untaken is what the kernel still holds for it: a slow reader makes room there
// long before the socket can be written to again.
func (w *patience) lost(untaken int, now time.Time, progress bool, deadPeer time.Duration) bool {
	step := deadPeer / stallSteps
	switch {
	case w.since.IsZero():
		w.since = now.Add(-step)
		if progress {
			w.since = now
		}
	case progress || untaken < w.untaken:
		w.since = now
	}
	w.untaken = untaken
	return now.Sub(w.since) >= stallAfter*step
}
