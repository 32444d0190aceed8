package bridge

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"edge/bridge/socket"
)

// findDead has the kernel give up the connection of a TCP peer that has been gone
// for about after; see socket.Guard.
func findDead(c net.Conn, after time.Duration) {
	raw := socketOf(c)
	switch c := c.(type) {
	case *socket.Conn:
		// Its listener has seen to it, or its peer is on this machine's loopback and
		// cannot vanish without our own kernel saying so.
		if c.Guarded() == after || c.Peer().Addr().IsLoopback() {
			return
		}
	default:
		if raw == nil || c.LocalAddr().Network() != "tcp" {
			return
		}
	}
	raw.Control(func(fd uintptr) { findDeadFD(int(fd), after) })
}

// findDeadFD is findDead for the descriptor of a TCP socket.
func findDeadFD(fd int, after time.Duration) { socket.Guard(fd, after) }

// untaken is how many bytes the kernel holds for c's peer, 0 where it cannot be
// asked.
func untaken(c net.Conn) int {
	raw := socketOf(c)
	if raw == nil {
		return 0
	}
	n := 0
	raw.Control(func(fd uintptr) { n = untakenFD(int(fd)) })
	return n
}

// untakenFD is SIOCOUTQ (tcp(7), unix(7)): what was written and not yet
// acknowledged, or read.
func untakenFD(fd int) int {
	var n int32
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	if errno != 0 {
		return 0
	}
	return int(n)
}
