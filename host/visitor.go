package host

import (
	"encoding/json"
	"errors"
	"strings"

	"edge/abi"
)

// What a sandbox's inside looks like is its owner's to know: who sends the admin
// API's token with the request (explainHeader), reads the log, or asks the API. Who
// merely sent a request learns what helps to reach a server:
//
//   - which ports are listened on, by number, because most closed ports are the wrong
//     one of two, and an open port is reached by nobody to whom it was not exposed.
//     Through a public preview, which was shown to nobody in particular, not even that;
//   - that a server or a sandbox has ended, but not how, nor what it printed.

// errServerEnded is what visitors are told of a server that has ended.
func errServerEnded(preview bool) *abi.Error {
	text := "the server at this address has ended"
	if preview {
		text = "the server behind this preview has ended"
	}
	return abi.Errorf(abi.CodePortNotListening, "%s", text).
		WithDetails(abi.NotReady{Diagnosis: abi.DiagnosisEnded}).WithSuggestion("ask whoever runs it to start it again")
}

// failInside answers with an error that tells of the sandbox's inside, as far as whoever
// sent the request may know it. The log gets the rest.
func (x *exchange) failInside(err error) {
	e := abi.AsError(err)
	switch e.Code {
	case abi.CodePortNotListening:
		e = x.failClosed(e)
	case abi.CodeSandboxLost:
		e = x.failLost(e)
	case abi.CodeSandboxAsleep:
		e = x.failAsleep(e)
	}
	x.fail(e)
}

// failClosed is what to answer when nothing listens on the port.
func (x *exchange) failClosed(e *abi.Error) *abi.Error {
	n := notReady(e)
	ended := n.Diagnosis == abi.DiagnosisEnded
	if ended {
		code := -1
		if n.ExitCode != nil {
			code = *n.ExitCode
		}
		x.s.Log.Warn("the server on a port has ended", "request", x.id, "sandbox", x.target.ref.ID, "port", x.target.port,
			"process", n.ProcessID, "exitCode", code, "signal", n.Signal, "oomKilled", n.OOMKilled, "stderr", n.StderrTail)
	}
	switch {
	case x.told != nil:
		return e
	case ended:
		return errServerEnded(x.target.exposure).WithStarted(e.Started)
	case x.target.exposure:
		return x.errClosed(n).WithStarted(e.Started)
	}
	return e
}

// errClosed is what a preview's visitors are told of a closed port.
func (x *exchange) errClosed(n abi.NotReady) *abi.Error {
	e := abi.Errorf(abi.CodePortNotListening, "nothing listens on port %d of the sandbox behind this preview", x.target.port)
	if x.public() {
		n.Diagnosis = abi.DiagnosisNotListening
	}
	e.WithDetails(abi.NotReady{Diagnosis: n.Diagnosis})
	ports, ok := strings.CutPrefix(n.Diagnosis, abi.DiagnosisListeningOn)
	if !ok {
		return e.WithSuggestion("ask whoever runs it to start a server on this port")
	}
	ports = strings.ReplaceAll(strings.Trim(ports, "[]"), " ", ", ")
	return e.WithSuggestion("servers listen on %s; ask whoever runs it to expose one of these, or to start a server on port %d", ports, x.target.port)
}

// failAsleep is what to answer when the sandbox is not to be woken.
func (x *exchange) failAsleep(e *abi.Error) *abi.Error {
	if x.told != nil || !x.target.exposure {
		return e
	}
	own := abi.Errorf(abi.CodeSandboxAsleep, "the sandbox behind this preview is asleep, and this request does not wake it").
		WithStarted(e.Started).WithSuggestion("ask whoever runs it to start it, then try again")
	own.RetryAfterMs = e.RetryAfterMs
	return own
}

// public tells whether the request came through a preview that everybody may use.
func (x *exchange) public() bool {
	return x.target.visit != nil && x.target.visit.exposure.Access == abi.AccessPublic
}

// failLost is what to answer when the sandbox ended unasked.
func (x *exchange) failLost(e *abi.Error) *abi.Error {
	if x.told != nil || !x.target.exposure {
		return e
	}
	x.s.Log.Warn("the sandbox of a preview was lost", "request", x.id, "sandbox", x.target.ref.ID, "port", x.target.port, "error", e)
	var lost abi.Lost
	_ = json.Unmarshal(e.Details, &lost) // else none
	return abi.Errorf(abi.CodeSandboxLost, "the sandbox behind this preview has ended, and what ran in it is gone").
		WithDetails(abi.Lost{Generation: lost.Generation}).WithSuggestion("ask whoever runs it to start it again")
}

// notReady are the details of an error as far as they are NotReady.
func notReady(e *abi.Error) abi.NotReady {
	var n abi.NotReady
	_ = json.Unmarshal(e.Details, &n) // else none
	return n
}

// serverEnded tells whether err says that the server on the port has ended.
func serverEnded(err error) bool {
	var e *abi.Error
	return errors.As(err, &e) && e.Code == abi.CodePortNotListening && notReady(e).Diagnosis == abi.DiagnosisEnded
}
