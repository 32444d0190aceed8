package abi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Started says how far a failed operation had come when it failed. A caller
// that cannot bear to do a thing twice retries only what was not started.
type Started string

// How far a failed operation had come.
const (
	StartedNo    Started = "no"
	StartedMaybe Started = "maybe"
	StartedYes   Started = "yes"
)

// Error is the one error type that crosses a border: to a plugin, over REST, to
// a client. Message says what was wrong with which value; Suggestion what to
// do. Neither ever holds an internal text.
type Error struct {
	Code         Code            `json:"code"`
	Message      string          `json:"message"`
	Operation    string          `json:"operation,omitempty"`
	Retryable    bool            `json:"retryable"`
	RetryAfterMs int64           `json:"retryAfterMs,omitempty"`
	Started      Started         `json:"started"`
	Details      json.RawMessage `json:"details,omitempty"`
	Suggestion   string          `json:"suggestion,omitempty"`
}

// Errorf makes an Error of the code; retryable comes from the code's row and
// started is "no" until WithStarted says otherwise.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...), Retryable: c.Retryable(), Started: StartedNo}
}

// MaxErrorBytes bounds the JSON of an error that a module answers with.
const MaxErrorBytes = 64 << 10

// ParseError reads the JSON of an error that is to be answered. Code, one of the
// table's, and message are required; what is missing of the others is as Errorf
// makes it. Its errors are *Error: INVALID_REQUEST, also for a field that there
// is not, and BODY_TOO_LARGE beyond MaxErrorBytes.
func ParseError(b []byte) (*Error, error) {
	if len(b) > MaxErrorBytes {
		return nil, Errorf(CodeBodyTooLarge, "an error of %d bytes is longer than %d", len(b), MaxErrorBytes)
	}
	var read struct {
		Error
		Retryable *bool `json:"retryable"`
	}
	read.Started = StartedNo
	if err := strictJSON(b, &read); err != nil {
		return nil, Errorf(CodeInvalidRequest, "error: %s", JSONReason(err))
	}
	e := read.Error
	row, known := meanings[e.Code]
	switch {
	case !known:
		return nil, Errorf(CodeInvalidRequest, "error: there is no code %.60q", string(e.Code))
	case e.Message == "":
		return nil, Errorf(CodeInvalidRequest, "error: the message is empty")
	case e.RetryAfterMs < 0:
		return nil, Errorf(CodeInvalidRequest, "error: retryAfterMs is negative")
	case e.Started != StartedNo && e.Started != StartedMaybe && e.Started != StartedYes:
		return nil, Errorf(CodeInvalidRequest, "error: started is %.20q, not no, maybe or yes", string(e.Started))
	}
	e.Retryable = row.retryable
	if read.Retryable != nil {
		e.Retryable = *read.Retryable
	}
	return &e, nil
}

// Error returns "CODE: message".
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, abi.CodeX.Err()) a test of the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Message == "" && t.Code == e.Code
}

// Err returns the code as a target for errors.Is.
func (c Code) Err() error { return &Error{Code: c} }

// WithStarted returns e, changed.
func (e *Error) WithStarted(s Started) *Error { e.Started = s; return e }

// WithSuggestion returns e, changed.
func (e *Error) WithSuggestion(format string, args ...any) *Error {
	e.Suggestion = fmt.Sprintf(format, args...)
	return e
}

// WithDetails returns e with v as its details; v must be a value that
// encoding/json accepts.
func (e *Error) WithDetails(v any) *Error {
	b, err := json.Marshal(v)
	if err != nil {
		return e
	}
	e.Details = b
	return e
}

// AsError returns err as the Error that may cross a border, or nil for nil.
// The end of a context becomes TIMEOUT or CANCELED; anything that is no *Error
// becomes INTERNAL with a fixed text, because its own text may say too much:
// log err itself before throwing it away.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(CodeTimeout, "the deadline passed before the work was done").WithStarted(StartedMaybe)
	case errors.Is(err, context.Canceled):
		return Errorf(CodeCanceled, "the caller went away before the work was done").WithStarted(StartedMaybe)
	}
	return Errorf(CodeInternal, "internal error; the edge's log has the details").WithStarted(StartedMaybe)
}
