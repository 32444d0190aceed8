package main

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of the hot path tell the scheduler nothing: each loop has its thread
// and its processor for itself, and there is nobody to hand them to.

func rawRead(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

// rawWrite sends without a signal when the peer is gone.
func rawWrite(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func rawClose(fd int) { _, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

func rawAccept(fd int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// poller is one epoll descriptor, level-triggered. Who made it closes it.
type poller struct {
	fd     int
	events [256]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poller{fd: fd}, nil
}

// wait returns the events that there are within timeout; none is no error.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(timeout.Milliseconds()), 0, 0)
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, fmt.Errorf("epoll: %w", errno)
}

// watch has wait tell of events on fd by slot.
func (p *poller) watch(op, fd, slot int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(slot)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("epoll: %w", errno)
	}
	return nil
}

func (p *poller) close() { rawClose(p.fd) }

// listenTCP returns a listening socket that does not block. What is accepted has
// no delay, as the listener has none.
func listenTCP(addr netip.AddrPort) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	for _, o := range [][2]int{{unix.SOL_SOCKET, unix.SO_REUSEADDR}, {unix.IPPROTO_TCP, unix.TCP_NODELAY}} {
		if err == nil {
			err = unix.SetsockoptInt(fd, o[0], o[1], 1)
		}
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr(addr))
	}
	if err == nil {
		err = unix.Listen(fd, 4096)
	}
	if err != nil {
		rawClose(fd)
		return 0, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return fd, nil
}

// dialTCP begins a connection that does not block, has no delay, and whose close
// is a reset, which leaves neither end in TIME_WAIT. from, if it is valid, is the
// source address. ready is that it is connected already.
func dialTCP(addr netip.AddrPort, from netip.Addr) (fd int, ready bool, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, false, fmt.Errorf("socket: %w", err)
	}
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
		err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if err == nil && from.IsValid() {
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err == nil {
			err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0)))
		}
	}
	if err == nil {
		if err = unix.Connect(fd, sockaddr(addr)); err == nil {
			return fd, true, nil
		}
	}
	if err != unix.EINPROGRESS {
		rawClose(fd)
		return 0, false, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return fd, false, nil
}

func sockaddr(a netip.AddrPort) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// ticker is a timer of the kernel that expires at a fixed interval from begin on
// and that a poller can watch. Who made it closes it.
type ticker struct{ fd int }

func newTicker(begin int64, interval time.Duration) (*ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(begin), Interval: unix.NsecToTimespec(interval.Nanoseconds())}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		rawClose(fd)
		return nil, fmt.Errorf("timer: %w", err)
	}
	return &ticker{fd}, nil
}

// expired is how many intervals have passed since it was asked last.
func (t *ticker) expired() uint64 {
	var n uint64
	if _, errno := rawRead(t.fd, unsafe.Slice((*byte)(unsafe.Pointer(&n)), 8)); errno != 0 {
		return 0
	}
	return n
}

func (t *ticker) close() { rawClose(t.fd) }

// clock reads CLOCK_MONOTONIC, which all processes of a machine share, without
// entering the kernel.
type clock struct {
	start time.Time
	base  int64
}

func newClock() (clock, error) {
	var best clock
	narrow := time.Duration(1 << 62)
	for range 32 { // the least disturbed of some
		var ts unix.Timespec
		before := time.Now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return best, fmt.Errorf("clock: %w", err)
		}
		if took := time.Since(before); took < narrow {
			narrow, best = took, clock{before, ts.Nano() - took.Nanoseconds()/2}
		}
	}
	return best, nil
}

// now is nanoseconds of CLOCK_MONOTONIC.
func (c clock) now() int64 { return c.base + int64(time.Since(c.start)) }
