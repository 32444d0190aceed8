package abi

import "time"

// MaxSessionIDLength bounds a session's id, in characters, as
// MaxProcessIDLength does a process's.
const MaxSessionIDLength = MaxProcessIDLength

// MaxSessions is how many sessions one sandbox can have.
const MaxSessions = 256

// CreateSessionRequest makes a session. Its variables come over the sandbox's,
// and a call's own over both.
type CreateSessionRequest struct {
	// ID is 1 to 128 characters, no control characters; generated if empty.
	ID string `json:"id,omitempty"`
	// Cwd is where commands of the session start that name no cwd; a relative
	// cwd of theirs is relative to it. /workspace by default.
	Cwd string            `json:"cwd,omitempty"`
	Env map[string]string `json:"env,omitempty"`
}

// SessionRequest names a session.
type SessionRequest struct {
	ID string `json:"id"`
}

// Session is a working directory and an environment that calls share. It ends
// with the sandbox's run.
type Session struct {
	ID        string            `json:"id"`
	Cwd       string            `json:"cwd"`
	Env       map[string]string `json:"env"`
	CreatedAt time.Time         `json:"createdAt"`
	// Processes counts what was started through the session and still runs.
	Processes int `json:"processes"`
}

// SetEnvVarsRequest sets variables, or with null unsets them.
type SetEnvVarsRequest struct {
	EnvVars map[string]*string `json:"envVars"`
}
