//go:build !linux

package socket

import "syscall"

func read(fd int, b []byte) (int, error)  { return eintr(fd, b, syscall.Read) }
func write(fd int, b []byte) (int, error) { return eintr(fd, b, syscall.Write) }

// eintr repeats a system call that a signal interrupted.
func eintr(fd int, b []byte, call func(int, []byte) (int, error)) (int, error) {
	for {
		if n, err := call(fd, b); err != syscall.EINTR {
			return n, err
		}
	}
}

func shutdown(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_WR) }
