package bridge

import (
	"net"
	"os"
	"syscall"
)

// detacher is a connection that gives its descriptor away, and is a closed one
// afterwards.
type detacher interface {
	Detach() (fd int, err error)
}

// plain says that c is a stream socket and nothing else. A wrapper may promote a
// method of one and still mean its own Read, so that only what says so itself and
// the types of package net are.
func plain(c net.Conn) bool {
	switch c := c.(type) {
	case detacher, *net.TCPConn:
		return true
	case *net.UnixConn:
		return c.LocalAddr().Network() == "unix" // no datagrams
	}
	return false
}

// detach takes the descriptors of two plain connections, which are closed then.
// When it fails, those of package net are as they were.
func detach(conns ...net.Conn) (fds [2]int32, err error) {
	fds = [2]int32{-1, -1}
	for i, c := range conns { // first what leaves its connection whole
		if _, ok := c.(detacher); !ok && err == nil {
			fds[i], err = duplicate(c.(syscall.Conn))
		}
	}
	for i, c := range conns {
		if d, ok := c.(detacher); ok && err == nil {
			var fd int
			fd, err = d.Detach()
			fds[i] = int32(fd)
		}
	}
	if err != nil {
		closeFDs(fds[:]...)
		return fds, err
	}
	for _, c := range conns {
		if _, ok := c.(detacher); !ok {
			c.Close() // Go's poller would see every event too as long as it were open
		}
	}
	return fds, nil
}

// duplicate makes a second descriptor of a socket.
func duplicate(c syscall.Conn) (int32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := int32(-1)
	controlErr := raw.Control(func(s uintptr) {
		n, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, s, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			err = os.NewSyscallError("dup", errno)
			return
		}
		fd = int32(n)
	})
	if controlErr != nil {
		err = controlErr
	}
	return fd, err
}
