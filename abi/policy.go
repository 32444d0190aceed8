package abi

// Policy is what a decision or an exposure asks the host to enforce on the
// connection that follows. Zero values mean no limit.
type Policy struct {
	// Wait is how long a refused port is tried again on a sandbox that this
	// very request started (default 10s there, otherwise none).
	Wait Duration `json:"wait,omitempty"`
	// IdleTimeout ends a connection on which nothing was sent either way.
	IdleTimeout Duration `json:"idleTimeout,omitempty"`
	// MaxDuration ends a connection however busy it is.
	MaxDuration Duration `json:"maxDuration,omitempty"`
	// MaxMessageBytes bounds one WebSocket message, all fragments together.
	MaxMessageBytes int64 `json:"maxMessageBytes,omitempty"`
	// MaxBytes bounds both directions together.
	MaxBytes int64 `json:"maxBytes,omitempty"`
}
