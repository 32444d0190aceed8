package initproto

import "edge/abi"

// MaxListeners bounds the listening ports of one sandbox that an init tells of:
// those of the lowest numbers. Further ones are reachable all the same.
const MaxListeners = 1024

// Listener is something that listens on a TCP port.
type Listener struct {
	Port int `json:"port"`
	// Address is the one that is listened on, as text: "127.0.0.1", "::".
	Address string `json:"address"`
	// PID is the process that listens, as the sandbox sees it, and ProcessID the
	// one of startProcess that it belongs to; 0 and "" where that is not known.
	PID       int    `json:"pid,omitempty"`
	ProcessID string `json:"processId,omitempty"`
}

// PortsRequest asks OpListeningPorts. An init of a release before 3 passes over it.
type PortsRequest struct {
	// Ended, if it is not 0, is a port: the answer tells how the process ended that
	// listened there last.
	Ended int `json:"ended,omitempty"`
}

// PortList answers OpListeningPorts: the TCP ports that something listens on,
// ascending.
type PortList struct {
	Ports []int `json:"ports"`
	// Listeners has more on them, by port; an init of a release before 3 has none.
	Listeners []Listener `json:"listeners,omitempty"`
	// Ended is set if nothing listens on the port that was asked for, and the
	// process that did last has ended.
	Ended *PortEnd `json:"ended,omitempty"`
}

// PortEnd is how a process ended that listened on a port.
type PortEnd struct {
	Process abi.Process `json:"process"`
	// Stderr is the end of what it printed as errors.
	Stderr string `json:"stderr,omitempty"`
}

// MaxPortChanges bounds how much one PortsEvent tells, Closed and Opened together, so
// that it fits one message whatever the ids of processes are.
const MaxPortChanges = 32

// PortsEvent is one message of OpWatchPorts. The first ones tell what is listened
// on when the stream begins; Synced is set from the last of those on. Later ones
// tell what has changed, each when it is sent: a reader that is slow misses what
// came and went meanwhile.
type PortsEvent struct {
	Closed []Listener `json:"closed,omitempty"`
	Opened []Listener `json:"opened,omitempty"`
	Synced bool       `json:"synced,omitempty"`
}
