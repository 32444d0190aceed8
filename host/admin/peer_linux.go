package admin

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// errNoPeers is why a socket's peer cannot be known on this system.
var errNoPeers error

var errNotUnix = errors.New("not a Unix socket")

// peerUID asks the kernel whose process connected (unix(7), SO_PEERCRED).
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	cerr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(cerr, err); err != nil {
		return 0, fmt.Errorf("peer credentials: %w", err)
	}
	return int(cred.Uid), nil
}
