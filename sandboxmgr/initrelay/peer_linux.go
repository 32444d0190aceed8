package initrelay

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// from tells whether process pid connected, as the kernel noted it; 0 is any.
func from(c *net.UnixConn, pid int) bool {
	if pid == 0 {
		return true
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var cred *syscall.Ucred
	var sys error
	err = rc.Control(func(fd uintptr) {
		cred, sys = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	return err == nil && sys == nil && int(cred.Pid) == pid
}

// AwaitHangup waits, after the peer of c has ended its direction, until the
// connection has ended as a whole: its peer closed it, or both directions were
// shut down. false means that it was closed here. A hang-up is the kernel's POLLHUP; of a mere end of
// sending it tells POLLRDHUP.
func AwaitHangup(c *net.UnixConn) bool {
	rc, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = rc.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(p, 0)
		return n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 || err != nil && err != unix.EINTR
	})
	return err == nil
}
