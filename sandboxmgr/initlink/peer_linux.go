package initlink

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerPID returns the process that connected c, as this process sees it; the
// kernel noted it then, so that it cannot be forged. 0 is a process that this
// PID namespace does not show.
func peerPID(c *net.UnixConn) (int, error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var sys error
	err = rc.Control(func(fd uintptr) { cred, sys = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err == nil {
		err = sys
	}
	if err != nil {
		return 0, fmt.Errorf("peer credentials: %w", err)
	}
	return int(cred.Pid), nil
}
