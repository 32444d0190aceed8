package abi

// SandboxEventType says what happened to a sandbox.
type SandboxEventType string

// What can happen to a sandbox.
const (
	SandboxStarted SandboxEventType = "start" // it runs, and what its binding starts is ready
	SandboxStopped SandboxEventType = "stop"  // it was stopped, slept, or was destroyed
	SandboxFailed  SandboxEventType = "error" // it did not start, or ended unasked
)

// SandboxEvent is what a plugin's hooks are told. It is told after the fact, once
// and in order for one sandbox, while the edge runs.
type SandboxEvent struct {
	Type    SandboxEventType `json:"type"`
	Binding string           `json:"binding"`
	ID      string           `json:"id"`
	// Generation is the run of the sandbox that it happened to.
	Generation int64 `json:"generation"`
	// Reason is why it stopped: "stop", "sleep", "destroy".
	Reason string `json:"reason,omitempty"`
	// ExitCode is the sandbox's own, where it is known.
	ExitCode *int `json:"exitCode,omitempty"`
	// Error is why it failed.
	Error *Error `json:"error,omitempty"`
}
