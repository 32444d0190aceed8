package abi

// Bounds of terminals.
const (
	TerminalReplayBytes = 256 << 10 // kept of what a terminal printed
	MaxTerminals        = 32        // in one sandbox
	DefaultCols         = 80
	DefaultRows         = 24
	MaxWindow           = 1000 // columns or rows
)

// TerminalRequest opens a terminal, or comes back to the one of that id. At most
// one of Shell, Command and Argv is set; they count when the terminal is new.
type TerminalRequest struct {
	// ID names the terminal, to come back to: 1 to 128 characters, no control
	// characters. A terminal without an ID ends when its connection does.
	ID string `json:"id,omitempty"`
	// Shell is the shell's path: by default bash if the sandbox has it, else
	// /bin/sh.
	Shell   string   `json:"shell,omitempty"`
	Command string   `json:"command,omitempty"` // run by /bin/sh -c
	Argv    []string `json:"argv,omitempty"`
	Cwd     string   `json:"cwd,omitempty"` // default /workspace, or the session's
	// Env comes over TERM=xterm-256color and the session's.
	Env  map[string]string `json:"env,omitempty"`
	User string            `json:"user,omitempty"`
	Cols int               `json:"cols,omitempty"` // default 80
	Rows int               `json:"rows,omitempty"` // default 24
	// Session is whose cwd, variables and life the terminal shares.
	Session string `json:"session,omitempty"`
	// Since is the offset from which output is replayed when coming back, as
	// the events say it; what is no longer kept (256 KiB are) is told. Without
	// it everything that is kept is replayed.
	Since *int64 `json:"since,omitempty"`
	// Takeover takes a terminal that is held by another connection, which is
	// told; without it that is TOO_MANY_REQUESTS.
	Takeover bool `json:"takeover,omitempty"`
}

// TerminalEventType says what happened to a terminal.
type TerminalEventType string

// What can happen to a terminal.
const (
	// TerminalReady comes first. Offset is the byte offset of the first byte
	// that follows.
	TerminalReady TerminalEventType = "ready"
	// TerminalExit comes last, when the program ended.
	TerminalExit TerminalEventType = "exit"
	// TerminalTaken comes last, when another connection took the terminal.
	TerminalTaken TerminalEventType = "taken"
	// TerminalError comes last, when the terminal failed or a message to it made
	// no sense; the stream then ends with the same error.
	TerminalError TerminalEventType = "error"
)

// TerminalEvent is a text message from a terminal; what it prints are the binary
// ones. A program whose output is not read is held back once the replay is full
// of it, but never while nobody holds the terminal; what is sent after input that
// the program does not read waits with it.
type TerminalEvent struct {
	Type TerminalEventType `json:"type"`
	// ID and PID are the terminal's, of ready.
	ID  string `json:"id,omitempty"`
	PID int    `json:"pid,omitempty"`
	// Offset counts the bytes that the terminal printed before the next one;
	// Dropped those after Since that are no longer kept. Of ready; exit tells
	// how many there were at all.
	Offset  int64 `json:"offset"`
	Dropped int64 `json:"dropped,omitempty"`
	// ExitCode and Signal are the program's, of exit.
	ExitCode *int   `json:"exitCode,omitempty"`
	Signal   string `json:"signal,omitempty"`
	// Error is what failed, of error.
	Error *Error `json:"error,omitempty"`
}
