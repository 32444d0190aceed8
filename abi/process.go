package abi

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Defaults and bounds of commands and processes.
const (
	DefaultCwd         = "/workspace"
	DefaultMaxOutput   = 1 << 20  // bytes kept of each stream of exec
	MaxMaxOutput       = 16 << 20 // the most that maxOutput may ask for
	LogRingBytes       = 1 << 20  // bytes kept of each stream of a process
	DefaultGrace       = 5 * time.Second
	DefaultWaitTimeout = 30 * time.Second
	DefaultExecTimeout = 10 * time.Minute
	MaxProcessIDLength = 128 // characters
)

// CheckProcessID returns INVALID_REQUEST unless id is 1 to MaxProcessIDLength
// characters of UTF-8, none of them a control character.
func CheckProcessID(id string) error {
	if id == "" || utf8.RuneCountInString(id) > MaxProcessIDLength || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return Errorf(CodeInvalidRequest, "processId %.60q: want 1 to %d characters, none of them a control character", id, MaxProcessIDLength)
	}
	return nil
}

// Signal is a signal as users write it: a name with or without SIG, or a
// number. It is always written back as a name or a number in a string.
type Signal string

// UnmarshalJSON reads a string or a number.
func (s *Signal) UnmarshalJSON(b []byte) error {
	var n json.Number
	if json.Unmarshal(b, &n) == nil {
		*s = Signal(n.String())
		return nil
	}
	var str string
	if err := json.Unmarshal(b, &str); err != nil {
		return fmt.Errorf("signal %.40s: want a name like \"TERM\" or a number", b)
	}
	*s = Signal(str)
	return nil
}

// ExecRequest runs a command to its end. Exactly one of Command and Argv is set.
type ExecRequest struct {
	// Command is run by /bin/sh -c.
	Command string `json:"command,omitempty"`
	// Argv is run as it is, no shell needed.
	Argv []string `json:"argv,omitempty"`
	// Cwd is /workspace by default.
	Cwd   string            `json:"cwd,omitempty"`
	Env   map[string]string `json:"env,omitempty"`
	Stdin string            `json:"stdin,omitempty"`
	// Timeout kills the command and everything it started; default is the
	// binding's execTimeout, 10m.
	Timeout Duration `json:"timeout,omitempty"`
	// Encoding of the answer's output: "utf8" (default; bytes that are not
	// UTF-8 become U+FFFD) or "base64".
	Encoding string `json:"encoding,omitempty"`
	// MaxOutput is how many bytes of each stream are kept; default 1 MiB.
	MaxOutput int `json:"maxOutput,omitempty"`
	// User runs the command as another user of the sandbox: a name of its
	// /etc/passwd or a number, with ":group" or without. It takes an init that
	// runs as root; else only its own user can be named.
	User string `json:"user,omitempty"`
	// Session is whose cwd and variables the command shares.
	Session string `json:"session,omitempty"`
}

// CommandNotFoundDetails are the details of COMMAND_NOT_FOUND, where there are
// any.
type CommandNotFoundDetails struct {
	// Exists is set when the file is there and cannot be executed.
	Exists bool `json:"exists"`
}

// ExecResponse is how a command ended. A command that fails is an answer, not
// an error.
type ExecResponse struct {
	Success  bool   `json:"success"` // exit code 0
	ExitCode int    `json:"exitCode"`
	Signal   string `json:"signal,omitempty"` // "SIGKILL", when one ended it
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
	// Truncated is set when a stream was longer than MaxOutput.
	Truncated bool     `json:"truncated"`
	Duration  Duration `json:"duration"`
}

// IfRunning says what startProcess does about a running process of that id.
type IfRunning string

// What startProcess can do about a running process of the same id.
const (
	IfRunningError   IfRunning = "error"
	IfRunningReuse   IfRunning = "reuse"
	IfRunningRestart IfRunning = "restart"
)

// StartProcessRequest starts a process that lives on. Exactly one of Command
// and Argv is set.
type StartProcessRequest struct {
	Command string   `json:"command,omitempty"`
	Argv    []string `json:"argv,omitempty"`
	// ProcessID names the process: 1 to 128 characters, no control
	// characters; generated if empty.
	ProcessID string            `json:"processId,omitempty"`
	Cwd       string            `json:"cwd,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	// Timeout kills the process when it has run that long; default never.
	Timeout   Duration  `json:"timeout,omitempty"`
	IfRunning IfRunning `json:"ifRunning,omitempty"`
	// User and Session are as in exec.
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
}

// Status is where a process is in its life.
type Status string

// The states of a process.
const (
	StatusStarting  Status = "starting"
	StatusRunning   Status = "running"
	StatusCompleted Status = "completed" // exit code 0
	StatusFailed    Status = "failed"    // another exit code, or a signal nobody asked for
	StatusKilled    Status = "killed"    // ended by killProcess, stop or its timeout
	StatusError     Status = "error"     // could not be started
)

// Process is a process's state.
type Process struct {
	ID       string `json:"id"`
	PID      int    `json:"pid"`
	Command  string `json:"command"`
	Status   Status `json:"status"`
	ExitCode *int   `json:"exitCode,omitempty"`
	Signal   string `json:"signal,omitempty"`
	// OOMKilled is set where it is known that the kernel ended it for want of
	// memory.
	OOMKilled bool       `json:"oomKilled,omitempty"`
	StartedAt time.Time  `json:"startedAt"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// Session is the one it was started through.
	Session string `json:"session,omitempty"`
}

// ProcessList answers listProcesses, oldest first.
type ProcessList struct {
	Processes []Process `json:"processes"`
}

// ProcessRequest names a process.
type ProcessRequest struct {
	ProcessID string `json:"processId"`
}

// KillRequest asks a process, with its whole group, to end.
type KillRequest struct {
	ProcessID string   `json:"processId"`
	Signal    Signal   `json:"signal,omitempty"` // default TERM
	Grace     Duration `json:"grace,omitempty"`  // default 5s, then KILL
}

// KillAllRequest asks every process to end.
type KillAllRequest struct {
	Signal Signal   `json:"signal,omitempty"`
	Grace  Duration `json:"grace,omitempty"`
}

// KillAllResponse counts the processes that were running.
type KillAllResponse struct {
	Count int `json:"count"`
}

// LogsRequest asks for a process's output.
type LogsRequest struct {
	ProcessID string `json:"processId"`
	// Since is a cursor from an earlier answer; empty is from the beginning.
	Since string `json:"since,omitempty"`
	// Tail keeps only the last n lines of each stream; 0 is all.
	Tail int `json:"tail,omitempty"`
}

// LogsResponse is a process's output from Since on.
type LogsResponse struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
	// Cursor continues after what this answer holds.
	Cursor string `json:"cursor"`
	// Dropped counts the bytes after Since that the ring no longer holds.
	Dropped int64 `json:"dropped"`
}

// WaitForExitRequest waits for a process's end.
type WaitForExitRequest struct {
	ProcessID string   `json:"processId"`
	Timeout   Duration `json:"timeout,omitempty"` // default: the caller's deadline
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	ExitCode int    `json:"exitCode"`
	Signal   string `json:"signal,omitempty"`
}
