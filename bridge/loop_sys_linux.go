package bridge

import (
	"os"
	"syscall"
	"unsafe"
)

// The calls below never wait: their descriptors do not block. They therefore go
// past the scheduler's books (RawSyscall), which would cost more than the call
// (BenchmarkSyscall).

const (
	sysMemInfo  = 55 // SO_MEMINFO (asm-generic/socket.h)
	memSendBuf  = 3  // SK_MEMINFO_SNDBUF (linux/sock_diag.h)
	memSendUsed = 5  // SK_MEMINFO_WMEM_QUEUED, of TCP
	memSent     = 2  // SK_MEMINFO_WMEM_ALLOC, of Unix sockets
	memVars     = 9

	eventNonblock = syscall.O_NONBLOCK | syscall.O_CLOEXEC // EFD_NONBLOCK, EFD_CLOEXEC
	epollEdge     = 1 << 31                                // EPOLLET
)

// receive reads what is there; 0 without an error is the end.
func receive(fd int32, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// transmit writes what there is room for, p not empty, and without SIGPIPE.
func transmit(fd int32, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// poll is epoll_wait without waiting. epoll_pwait is there on every architecture.
func poll(ep int, events []syscall.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// control is epoll_ctl.
func control(ep, op int, fd int32, ev *syscall.EpollEvent) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return errno
}

// sendRoom is about how many bytes a socket would take now.
func sendRoom(fd int32) int {
	var vars [memVars]uint32
	size := uint32(unsafe.Sizeof(vars))
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, sysMemInfo,
		uintptr(unsafe.Pointer(&vars)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return int(vars[memSendBuf]) - int(max(vars[memSendUsed], vars[memSent]))
}

// newEventFD makes a descriptor that signal makes readable.
func newEventFD() (int, error) {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, eventNonblock, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("eventfd2", errno)
	}
	return int(fd), nil
}

func signal(fd int) {
	one := [8]byte{1}
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}
