package initlink

import (
	"encoding/json"
	"slices"
	"strings"

	"edge/abi"
	"edge/sandboxmgr/initproto"
)

// maxText is how much of an error's text is taken from an init.
const maxText = 4 << 10

// maxAnswer bounds the answer to op: only what carries a user's bytes may be
// large.
func maxAnswer(op string) int {
	switch op {
	case abi.Exec.Name(), abi.ReadFile.Name(), abi.ListFiles.Name(), abi.SearchFiles.Name():
		return initproto.MaxBody
	case abi.GetLogs.Name():
		return 2*6*abi.LogRingBytes + 1<<10 // two streams; JSON makes at most six bytes of one
	case abi.ListProcesses.Name():
		return 16 << 20
	case initproto.OpListeningPorts:
		return 4 << 20 // each with the id of a process, of up to 512 bytes
	}
	return 1 << 20
}

// foreignError is an error that an init answered, made fit to be passed on: its
// code is one that exists, what follows from the code is not the init's to say,
// its texts are bounded, and its details are JSON.
func foreignError(e *abi.Error, details []byte) *abi.Error {
	code := e.Code
	if !slices.Contains(abi.Codes(), code) {
		code = abi.CodeInternal
	}
	out := abi.Errorf(code, "%s", bounded(e.Message))
	out.Suggestion = bounded(e.Suggestion)
	switch e.Started {
	case abi.StartedNo, abi.StartedYes:
		out.Started = e.Started
	default:
		out.Started = abi.StartedMaybe
	}
	if len(details) > 0 && json.Valid(details) {
		out.Details = details
	}
	return out
}

func bounded(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "")
}
