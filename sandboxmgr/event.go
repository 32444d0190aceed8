package sandboxmgr

import (
	"time"

	"edge/abi"
)

// EventKind says what happened.
type EventKind string

// What can happen to a sandbox.
const (
	EventCreated        EventKind = "created"        // its first machine was made
	EventStarted        EventKind = "started"        // Duration: how long it took
	EventAdopted        EventKind = "adopted"        // found running by a new edge
	EventStopped        EventKind = "stopped"        // asked to
	EventLost           EventKind = "lost"           // not asked to; Text says how it ended
	EventDestroyed      EventKind = "destroyed"      // and all it wrote is gone
	EventProcessStarted EventKind = "processStarted" // Text: its id and command
	EventProcessExited  EventKind = "processExited"  // Text: its id and how it ended (Config.FollowOutput)
	EventOutput         EventKind = "output"         // Text: a process's id and one line (Config.FollowOutput)
	EventPortOpened     EventKind = "portOpened"     // something listens on it. Text: the port and who, "8080 by process web"
	EventPortClosed     EventKind = "portClosed"     // nothing listens on it any more; Text as of portOpened
	EventExposed        EventKind = "exposed"        // Text: the URL
	EventUnexposed      EventKind = "unexposed"      // Text: the port and why
)

// Event is one thing that happened.
type Event struct {
	Kind       EventKind
	Ref        abi.SandboxRef // binding and id alone
	Generation int64
	Text       string
	Duration   time.Duration
}
