package abi

import "time"

// State is where a sandbox is in its life.
type State string

// The states of a sandbox.
const (
	StateAbsent   State = "absent" // never started, or destroyed
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateStopping State = "stopping"
	StateStopped  State = "stopped"
	StateLost     State = "lost" // ended without being asked to
)

// SandboxState answers getState.
type SandboxState struct {
	State State `json:"state"`
	// Generation grows by one each time the sandbox is started; 0 is never.
	Generation     int64      `json:"generation"`
	StartedAt      *time.Time `json:"startedAt,omitempty"`
	LastActivityAt *time.Time `json:"lastActivityAt,omitempty"`
	// ExitCode is the sandbox's own, when it stopped or was lost.
	ExitCode    *int `json:"exitCode,omitempty"`
	Connections int  `json:"connections"`
	// Processes counts those that startProcess started and that still run.
	Processes int `json:"processes"`
	// Runtime is "docker" or "process"; Dial is how ports are reached:
	// "namespace" or "init".
	Runtime string `json:"runtime,omitempty"`
	Dial    string `json:"dial,omitempty"`
}

// StopRequest asks a sandbox to end.
type StopRequest struct {
	// Signal is sent to every process first: a name ("TERM") or a number;
	// default TERM.
	Signal Signal `json:"signal,omitempty"`
	// Grace is how long they have before KILL; default 5s.
	Grace Duration `json:"grace,omitempty"`
}
