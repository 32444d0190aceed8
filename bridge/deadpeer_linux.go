package bridge

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tcpUserTimeout is TCP_USER_TIMEOUT (RFC 5482; tcp(7)), which package syscall
// lacks.
const tcpUserTimeout = 0x12

// findDead has the kernel give up the connection of a TCP peer that has been gone
// for about after: by probes when it is idle, by the bound on what is not
// acknowledged when it is not. That is a little less than after, since probes are
// whole seconds apart.
func findDead(c net.Conn, after time.Duration) {
	raw := socketOf(c)
	if raw == nil || c.LocalAddr().Network() != "tcp" {
		return
	}
	raw.Control(func(fd uintptr) { findDeadFD(int(fd), after) })
}

// findDeadFD is findDead for the descriptor of a TCP socket. Where an option is
// refused, the others still count.
func findDeadFD(fd int, after time.Duration) {
	seconds := func(d time.Duration) int { return max(int(d/time.Second), 1) }
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, seconds(after/2))
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, seconds(after/probeParts))
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpUserTimeout, int((after - after/probeParts).Milliseconds()))
}

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
