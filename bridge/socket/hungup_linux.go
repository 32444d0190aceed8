package socket

import "golang.org/x/sys/unix"

// HungUp tells whether the peer of a stream socket has ended its half, whatever
// waits to be read before that (poll(2), POLLRDHUP).
func HungUp(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0
}
