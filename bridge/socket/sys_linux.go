package socket

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of a socket that does not block take some microseconds, some
// of them more than the scheduler grants one (20 us) before it wakes another
// thread to go on in its stead. They are therefore not announced to it.

func read(fd int, b []byte) (int, error)  { return transfer(syscall.SYS_READ, fd, b) }
func write(fd int, b []byte) (int, error) { return transfer(syscall.SYS_WRITE, fd, b) }

func transfer(call uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

func shutdown(fd int) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SHUTDOWN, uintptr(fd), syscall.SHUT_WR, 0); errno != 0 {
		return errno
	}
	return nil
}

// Connect connects a socket that does not block (connect(2)), without a word to
// the scheduler: over loopback the server's part is done within the call.
func Connect(fd int, to netip.AddrPort) error {
	var (
		at   unsafe.Pointer
		size uintptr
	)
	port := binary.NativeEndian.Uint16([]byte{byte(to.Port() >> 8), byte(to.Port())})
	if a := to.Addr(); a.Is4() {
		at, size = unsafe.Pointer(&unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: a.As4()}), unix.SizeofSockaddrInet4
	} else {
		at, size = unsafe.Pointer(&unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: a.As16()}), unix.SizeofSockaddrInet6
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(at), size); errno != 0 {
		return errno
	}
	return nil
}

// accept takes the next connection of a listener.
func accept(ln int) (fd int, peer netip.AddrPort, err error) {
	var at unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(ln), uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)),
		syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	switch at.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&at))
		peer = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), hostOrder(a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(&at))
		peer = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), hostOrder(a.Port))
	}
	return int(n), peer, nil
}

// hostOrder is a port that came in network order.
func hostOrder(port uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(make([]byte, 0, 2), port))
}
