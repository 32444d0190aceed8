package initd

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"edge/abi"
)

// parseSignal reads "TERM", "SIGTERM", "term" or "15"; empty is def.
func parseSignal(s abi.Signal, def syscall.Signal) (syscall.Signal, error) {
	if s == "" {
		return def, nil
	}
	text := string(s)
	if n, err := strconv.Atoi(text); err == nil {
		if n >= 1 && n <= 64 {
			return syscall.Signal(n), nil
		}
	} else {
		name := strings.ToUpper(text)
		if !strings.HasPrefix(name, "SIG") {
			name = "SIG" + name
		}
		if sig := unix.SignalNum(name); sig != 0 {
			return sig, nil
		}
	}
	return 0, abi.Errorf(abi.CodeInvalidRequest, "%.40q is not a signal", text).
		WithSuggestion("use a name like \"TERM\" or \"KILL\", or a number from 1 to 64")
}

// signalName returns "SIGTERM", or "SIG34" for one without a name.
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return "SIG" + strconv.Itoa(int(s))
}
