package initd

import (
	"syscall"
	"time"
)

// child is one process that the init started.
type child struct {
	pid     int
	mark    string // value of markName in its environment
	onTTY   bool   // it leads a session that has a terminal
	started time.Time
	done    chan struct{} // closed when it has been reaped
	// status, oomKilled and ended are set before done is closed.
	status    syscall.WaitStatus
	oomKilled bool // the kernel ended it, or what it ran, for want of memory
	ended     time.Time
}

// exit returns how the child ended: the exit code, 128 and the number for a
// signal, and that signal's name. Only after done.
func (c *child) exit() (code int, signal string) {
	if c.status.Signaled() {
		return 128 + int(c.status.Signal()), signalName(c.status.Signal())
	}
	return c.status.ExitStatus(), ""
}

// exitOrKilled is exit, also of a child that could not even be killed.
func (c *child) exitOrKilled() (code int, signal string) {
	if isClosed(c.done) {
		return c.exit()
	}
	return 128 + int(syscall.SIGKILL), signalName(syscall.SIGKILL)
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
