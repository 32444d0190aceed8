package testport

import (
	"fmt"
	"os"
	"syscall"
)

// socket is bound and never listens. With SO_REUSEADDR on both, another socket may
// be bound beside it and listen (socket(7)), if it asks for the port by its number; to
// those who ask for any port the kernel gives none that somebody is bound to, whatever
// their options are.
type socket struct{ *os.File }

func hold(host [4]byte) (socket, int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return socket{}, 0, os.NewSyscallError("socket", err)
	}
	s := socket{os.NewFile(uintptr(fd), "held port")}
	port, err := bind(fd, host)
	if err != nil {
		s.Close()
		return socket{}, 0, err
	}
	return s, port, nil
}

// bind binds a socket to any free port, and returns that.
func bind(fd int, host [4]byte) (int, error) {
	// The port is chosen without SO_REUSEADDR, so that nobody else is bound to it.
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: host}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	in4, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("bound to %v, want an IPv4 address", name)
	}
	return in4.Port, nil
}
