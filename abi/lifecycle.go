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
	// Paused is set while everything in the sandbox is frozen.
	Paused bool `json:"paused,omitempty"`
	// SleepsAt is when the sandbox will be stopped unless it is used before;
	// absent while something keeps it awake or it never sleeps.
	SleepsAt *time.Time `json:"sleepsAt,omitempty"`
	// Why says what keeps it awake ("2 connections", "1 terminal", "exec",
	// "keepAlive") or why it does not run ("idle for 10m0s", "stopped",
	// "lost: exit code 137, out of memory").
	Why []string `json:"why,omitempty"`
	// Runtime is "docker" or "process"; Dial is how ports are reached:
	// "namespace" or "init".
	Runtime string `json:"runtime,omitempty"`
	Dial    string `json:"dial,omitempty"`
}

// Inspection is all that the edge knows of a sandbox.
type Inspection struct {
	Binding string `json:"binding"`
	ID      string `json:"id"`
	SandboxState
	// Machine is the name of the sandbox's container or namespace.
	Machine string `json:"machine,omitempty"`
	Image   string `json:"image,omitempty"`
	// Preset is how far what runs inside is confined: "strict", "default" or
	// "trusted".
	Preset string `json:"preset,omitempty"`
	// Network is "none", "internal" or "egress".
	Network string `json:"network"`
	Persist string `json:"persist"`
	// SleepAfter is how long it may be unused; 0 is for ever.
	SleepAfter Duration          `json:"sleepAfter"`
	KeepAlive  bool              `json:"keepAlive"`
	Labels     map[string]string `json:"labels,omitempty"`
	// Limits are the bounds that are in force, and by what.
	Limits []Limit `json:"limits,omitempty"`
	// Facts are what the runtime says of the machine besides.
	Facts map[string]string `json:"facts,omitempty"`
	Ports []ExposedPort     `json:"ports,omitempty"`
}

// Limit is a bound of a sandbox.
type Limit struct {
	Name  string `json:"name"`  // "memory", "cpus", "pids", "swap", "disk"
	Value string `json:"value"` // "1 GiB"; "none" when nothing bounds it
	// By is what enforces it: "cgroup v1", "cgroup v2", "rlimit", "engine", or
	// "nothing".
	By string `json:"by"`
}

// Lost is the details of SANDBOX_LOST: which run of the sandbox ended unasked,
// and how, if that is known.
type Lost struct {
	Generation int64 `json:"generation"`
	ExitCode   *int  `json:"exitCode,omitempty"`
	OOMKilled  bool  `json:"oomKilled,omitempty"`
}

// StopRequest asks a sandbox to end.
type StopRequest struct {
	// Signal is sent to every process first: a name ("TERM") or a number;
	// default TERM.
	Signal Signal `json:"signal,omitempty"`
	// Grace is how long they have before KILL; default 5s.
	Grace Duration `json:"grace,omitempty"`
}
