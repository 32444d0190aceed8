package abi

import (
	"encoding/json"
	"fmt"
)

// StatusRange is the HTTP statuses that count as ready; written as a number or
// as {"min":200,"max":399}.
type StatusRange struct {
	Min, Max int
}

// MarshalJSON writes a number when both ends are equal.
func (r StatusRange) MarshalJSON() ([]byte, error) {
	if r.Min == r.Max {
		return json.Marshal(r.Min)
	}
	return json.Marshal(map[string]int{"min": r.Min, "max": r.Max})
}

// UnmarshalJSON reads a number or an object with min and max.
func (r *StatusRange) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil {
		r.Min, r.Max = n, n
		return nil
	}
	o := struct{ Min, Max int }{200, 399}
	if err := strictJSON(b, &o); err != nil {
		return fmt.Errorf("status %.40s: want a number or {\"min\":200,\"max\":399}", b)
	}
	r.Min, r.Max = o.Min, o.Max
	return nil
}

// WaitForPortRequest waits until a port answers.
type WaitForPortRequest struct {
	Port int `json:"port"`
	// ProcessID ends the wait early when that process exits.
	ProcessID string `json:"processId,omitempty"`
	// Mode is "tcp" or "http"; http is the default when Path or Status is given.
	Mode   string       `json:"mode,omitempty"`
	Path   string       `json:"path,omitempty"`
	Status *StatusRange `json:"status,omitempty"` // default 200-399
	// Timeout is 30s by default. The caller's deadline shortens it: the wait ends
	// a little before that, with the diagnosis.
	Timeout Duration `json:"timeout,omitempty"`
	// Interval is the longest pause between two tries, 100ms by default; the
	// first ones follow each other faster.
	Interval Duration `json:"interval,omitempty"`
}

// WaitForPortResponse tells how long it took.
type WaitForPortResponse struct {
	Port    int      `json:"port"`
	Elapsed Duration `json:"elapsed"`
}

// NotReady is the details of PROCESS_READY_TIMEOUT, PROCESS_EXITED_BEFORE_READY and
// PORT_NOT_LISTENING. Who reaches a port by a preview alone is told its diagnosis.
type NotReady struct {
	// Diagnosis is "not_listening", "listening_on:[8080 9000]",
	// "wrong_status:503", "not_http", or "server_ended" where the process that
	// listened on the port has ended.
	Diagnosis string `json:"diagnosis,omitempty"`
	// ProcessID is the process that ended.
	ProcessID  string `json:"processId,omitempty"`
	ExitCode   *int   `json:"exitCode,omitempty"`
	Signal     string `json:"signal,omitempty"`
	OOMKilled  bool   `json:"oomKilled,omitempty"`
	StderrTail string `json:"stderrTail,omitempty"`
}

// What NotReady.Diagnosis says of a closed port: DiagnosisListeningOn is followed by
// ports, as "[8080 9000]".
const (
	DiagnosisNotListening = "not_listening"
	DiagnosisListeningOn  = "listening_on:"
	DiagnosisEnded        = "server_ended" // the process that listened has ended
)

// WaitForLogRequest waits for a line of output.
type WaitForLogRequest struct {
	ProcessID string `json:"processId"`
	// Pattern is a plain string, or a regular expression (RE2) when Regexp.
	Pattern string   `json:"pattern"`
	Regexp  bool     `json:"regexp,omitempty"`
	Timeout Duration `json:"timeout,omitempty"` // default 30s
}

// WaitForLogResponse is the line that matched, colours stripped.
type WaitForLogResponse struct {
	Line string `json:"line"`
	// Match is the matched text, then the groups of a regular expression.
	Match   []string `json:"match"`
	Elapsed Duration `json:"elapsed"`
}
