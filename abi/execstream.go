package abi

// ExecStreamRequest is exec's, without what belongs to an answer in one piece.
// Binary messages to the stream are the command's standard input when Input is
// set; a text message with type "end" closes it. Closing the stream kills the
// command and everything it started.
type ExecStreamRequest struct {
	Command string            `json:"command,omitempty"` // run by /bin/sh -c
	Argv    []string          `json:"argv,omitempty"`
	Cwd     string            `json:"cwd,omitempty"` // default /workspace, or the session's
	Env     map[string]string `json:"env,omitempty"`
	Stdin   string            `json:"stdin,omitempty"`
	// Input keeps the standard input open, after Stdin, for what is sent.
	Input bool `json:"input,omitempty"`
	// Timeout kills the command and everything it started; default is the
	// binding's execTimeout, 10m.
	Timeout Duration `json:"timeout,omitempty"`
	// Encoding of the events' data: "utf8" (default; a character is never cut
	// in two, bytes that are not UTF-8 become U+FFFD) or "base64".
	Encoding string `json:"encoding,omitempty"`
	User     string `json:"user,omitempty"`
	Session  string `json:"session,omitempty"`
}

// ExecEventType says what happened to a command.
type ExecEventType string

// What can happen to a command.
const (
	ExecStart  ExecEventType = "start"  // comes first
	ExecStdout ExecEventType = "stdout" // Data was printed
	ExecStderr ExecEventType = "stderr" // Data was printed
	ExecExit   ExecEventType = "exit"   // comes last
)

// ExecEvent is something that happened to a command, in order.
type ExecEvent struct {
	Type ExecEventType `json:"type"`
	PID  int           `json:"pid,omitempty"`  // of start
	Data string        `json:"data,omitempty"` // of stdout and stderr
	// ExitCode, Signal and Duration are of exit. A command that its timeout
	// killed ends with the error TIMEOUT instead.
	ExitCode *int     `json:"exitCode,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Duration Duration `json:"duration,omitempty"`
}

// StreamLogsRequest asks for a process's output as it comes.
type StreamLogsRequest struct {
	ProcessID string `json:"processId"`
	// Since is a cursor from an earlier answer or event; empty is from the
	// beginning.
	Since string `json:"since,omitempty"`
	// Tail begins with the last n lines of each stream; 0 is all.
	Tail int `json:"tail,omitempty"`
	// Follow goes on until the process has ended; without it the stream ends
	// with what is there.
	Follow bool `json:"follow,omitempty"`
	// Encoding of the events' data: "utf8" (default) or "base64".
	Encoding string `json:"encoding,omitempty"`
}

// LogEventType says what a log stream tells.
type LogEventType string

// What a log stream tells.
const (
	LogStdout LogEventType = "stdout"
	LogStderr LogEventType = "stderr"
	// LogDropped: the ring no longer held bytes that were asked for, because
	// they are too old or the reader too slow.
	LogDropped LogEventType = "dropped"
	// LogExit: the process has ended, and all of its output was told.
	LogExit LogEventType = "exit"
)

// LogEvent is a piece of a process's output.
type LogEvent struct {
	Type LogEventType `json:"type"`
	Data string       `json:"data,omitempty"` // of stdout and stderr
	// Cursor continues after this event.
	Cursor string `json:"cursor"`
	// Dropped counts bytes, of dropped.
	Dropped int64 `json:"dropped,omitempty"`
	// ExitCode and Signal are the process's, of exit.
	ExitCode *int   `json:"exitCode,omitempty"`
	Signal   string `json:"signal,omitempty"`
}
