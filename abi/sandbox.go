package abi

import (
	"strings"
)

// Limits on what names a sandbox and its ports.
const (
	MaxIDLength      = 40 // characters, so that every preview label fits 63 bytes
	MaxBindingLength = 32 // characters
	MinPort          = 1024
	MaxPort          = 65535
)

// SandboxRef names a sandbox: its binding and its id there.
type SandboxRef struct {
	Binding string `json:"binding"`
	ID      string `json:"id"`
	SandboxOptions
}

// SandboxOptions are the settings that getSandbox takes. They are remembered
// until the sandbox is destroyed. How long it may be unused is set by every use
// of it that says so, the latest winning; variables and labels count with a use
// that starts it.
type SandboxOptions struct {
	// SleepAfter is how long it may be unused before it is stopped; the
	// binding's by default. It ends an earlier KeepAlive.
	SleepAfter Duration `json:"sleepAfter,omitempty"`
	// KeepAlive has it never sleep.
	KeepAlive bool `json:"keepAlive,omitempty"`
	// Env comes over the binding's variables; what setEnvVars set, over both.
	Env    map[string]string `json:"env,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// isReserved tells whether an id, in lower case, is a word kept for the edge.
func isReserved(id string) bool {
	switch id {
	case "www", "api", "admin", "root", "system":
		return true
	}
	return false
}

// NormalizeID lower-cases id and checks it: [a-z0-9] and inner "-", 1 to 40
// characters, not a reserved word. The error is INVALID_SANDBOX_ID and says
// which rule was broken.
func NormalizeID(id string) (string, error) {
	low := strings.ToLower(id)
	bad := func(rule string) (string, error) {
		return "", Errorf(CodeInvalidSandboxID, "sandbox id %.60q %s", id, rule).
			WithSuggestion("use 1 to %d characters of a-z, 0-9 and inner \"-\"", MaxIDLength)
	}
	switch {
	case low == "":
		return bad("is empty")
	case len(low) > MaxIDLength:
		return bad("is longer than 40 characters")
	case low[0] == '-' || low[len(low)-1] == '-':
		return bad("begins or ends with \"-\"")
	case isReserved(low):
		return bad("is a reserved word")
	}
	// The id as given is looked at, because ToLower makes ASCII of two letters
	// that are none (U+0130, U+212A).
	for i := 0; i < len(id); i++ {
		if c := id[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return bad("holds a character that is not a-z, 0-9 or \"-\"")
		}
	}
	return low, nil
}

// ValidBinding tells whether name can name a binding:
// [A-Za-z][A-Za-z0-9_]{0,31}.
func ValidBinding(name string) bool {
	if name == "" || len(name) > MaxBindingLength {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return true
}

// CheckPort returns INVALID_PORT unless port is 1024 to 65535.
func CheckPort(port int) error {
	if port < MinPort || port > MaxPort {
		return Errorf(CodeInvalidPort, "port %d is not between %d and %d", port, MinPort, MaxPort)
	}
	return nil
}
