package guest

import (
	"encoding/json"
	"errors"

	"edge/abi"
	"edge/abi/guest/internal/edge1"
)

// Error is what every failed call returns. Its text begins with the code and
// says what was wrong with which value; "already exists" and "already exposed"
// stand in the texts of those two.
type Error = abi.Error

// Code is an Error's name, such as PROCESS_ALREADY_EXISTS.
type Code = abi.Code

// SocketClosed is how a WebSocket ended.
type SocketClosed = abi.SocketClosed

// Targets for errors.Is, for the conditions that handlers act upon. Every other
// code is reached through CodeOf.
var (
	ErrProcessExists   = abi.CodeProcessAlreadyExists.Err()
	ErrProcessNotFound = abi.CodeProcessNotFound.Err()
	ErrProcessExited   = abi.CodeProcessExitedBeforeReady.Err()
	ErrNotReady        = abi.CodeProcessReadyTimeout.Err()
	ErrPortExposed     = abi.CodePortAlreadyExposed.Err()
	ErrSandboxLost     = abi.CodeSandboxLost.Err()
	ErrFileNotFound    = abi.CodeFileNotFound.Err()
	ErrTimeout         = abi.CodeTimeout.Err()
	// ErrNotPreview is ProxyToSandbox's on a request that is for no preview.
	ErrNotPreview = abi.CodeNotFound.Err()
)

// Errorf makes an error that is answered with the code's status and this text:
// the client reads it.
func Errorf(c Code, format string, args ...any) *Error { return abi.Errorf(c, format, args...) }

// CodeOf returns the code of the Error in err's chain, or "".
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fallback says what an error number means when the host has no more to say.
var fallback = [...]struct {
	code Code
	text string
}{
	abi.Invalid:     {abi.CodeInvalidRequest, "the host refused a value"},
	abi.NotFound:    {abi.CodeNotFound, "not found"},
	abi.Denied:      {abi.CodeDenied, "not allowed"},
	abi.Timeout:     {abi.CodeTimeout, "the time ran out"},
	abi.Busy:        {abi.CodeTooManyRequests, "the host is busy"},
	abi.Quota:       {abi.CodeQuotaExceeded, "a limit is reached"},
	abi.Unavailable: {abi.CodeRuntimeUnavailable, "the sandbox cannot be reached"},
	abi.TooLarge:    {abi.CodeBodyTooLarge, "too large"},
	abi.Closed:      {abi.CodeCanceled, "closed: the request is over or the other side went away"},
	abi.Already:     {abi.CodeInvalidRequest, "a decision was made already"},
	abi.Unsupported: {abi.CodeUnsupported, "this edge does not have it"},
	abi.Internal:    {abi.CodeInternal, "internal error; the edge's log has the details"},
}

// failure returns the error of a call that answered errno: what the host says of
// it, if it says something that fits, else what the number means.
func failure(req uint32, call string, errno abi.Errno) *Error {
	if e := lastError(req); e != nil && e.Code.Errno() == errno {
		return e
	}
	return meaning(call, errno)
}

// meaning returns the error that the number alone stands for.
func meaning(call string, errno abi.Errno) *Error {
	if errno == abi.OK || int(errno) >= len(fallback) {
		errno = abi.Internal
	}
	e := abi.Errorf(fallback[errno].code, "%s: %s", call, fallback[errno].text)
	e.Operation = call
	return e
}

// lastError reads what the host kept of the request's last error, or nil.
func lastError(req uint32) *Error {
	b, errno := read(func(buf []byte) uint64 { return edge1.LastError(req, buf) })
	if errno != abi.OK {
		return nil
	}
	e := new(Error)
	if json.Unmarshal(b, e) != nil || e.Code == "" {
		return nil
	}
	return e
}

// read calls a function that only reads, again with a larger buffer if its
// result did not fit.
func read(call func(buf []byte) uint64) ([]byte, abi.Errno) {
	buf := make([]byte, 512)
	for {
		errno, n := abi.SplitResult(call(buf))
		switch {
		case errno != abi.OK:
			return nil, errno
		case int(n) <= len(buf):
			return buf[:n], abi.OK
		}
		buf = make([]byte, n)
	}
}

// collect returns the result of a call that did something and was offered buf:
// what is in buf, or what the host kept because it did not fit.
func collect(req uint32, result uint64, buf []byte) ([]byte, abi.Errno) {
	errno, n := abi.SplitResult(result)
	if errno != abi.OK || int(n) <= len(buf) {
		return buf[:min(int(n), len(buf))], errno
	}
	kept := make([]byte, n)
	for done := 0; done < len(kept); {
		errno, n = abi.SplitResult(edge1.ResultRead(req, 0, uint32(done), kept[done:]))
		if errno != abi.OK {
			return nil, errno
		}
		if n == 0 || int(n) > len(kept)-done {
			return nil, abi.Internal
		}
		done += int(n)
	}
	return kept, abi.OK
}
