package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Gate bounds how many threads of this process are in foreign namespaces at
// once. A thread is inside for some microseconds, but one that is descheduled
// there cannot be used for anything else, so that without a bound ten thousand
// simultaneous dials could need as many threads. Use one for all namespaces.
type Gate struct {
	slots chan struct{}
}

// NewGate returns a Gate that lets threads in at a time, at least one.
func NewGate(threads int) *Gate {
	return &Gate{slots: make(chan struct{}, max(1, threads))}
}

// Namespace is a network namespace that can be dialled into. It holds two
// descriptors and no goroutine until Close, and stays what it is when the
// process that it was opened by has ended. Its methods may be called at the
// same time.
type Namespace struct {
	gate *Gate

	spares spares // sockets of the namespace, made ahead

	mu     sync.RWMutex // held for reading while a thread is inside
	target int          // the namespace; -1 once closed
	home   int          // the one to come back to
}

// Open opens the network namespace of process pid with a Gate of its own that
// admits one thread at a time.
func Open(pid int) (*Namespace, error) {
	return NewGate(1).Open(pid)
}

// Open opens the network namespace of process pid; the caller closes it. It
// steps in once, so that a lack of privilege (os.ErrPermission) shows here. The
// caller sees to it that pid still is the process it means: the best way is to
// hold a pidfd and to find it alive afterwards.
func (g *Gate) Open(pid int) (*Namespace, error) {
	home, err := openNamespace("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	target, err := openNamespace(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		unix.Close(home)
		return nil, err
	}
	n := &Namespace{gate: g, target: target, home: home}
	if err := n.try(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func openNamespace(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: explain(err)}
	}
	return fd, nil
}

// try fails if the namespace is our own or cannot be entered.
func (n *Namespace) try() error {
	var home, target unix.Stat_t
	if err := errors.Join(unix.Fstat(n.home, &home), unix.Fstat(n.target, &target)); err != nil {
		return fmt.Errorf("stat network namespace: %w", err)
	}
	if home.Dev == target.Dev && home.Ino == target.Ino {
		return ErrOwnNamespace
	}
	return n.inside(context.Background(), func() error { return nil })
}

// Close releases the namespace. Connections dialled stay open.
func (n *Namespace) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.target < 0 {
		return nil
	}
	n.spares.close()
	err := errors.Join(unix.Close(n.target), unix.Close(n.home))
	n.target, n.home = -1, -1
	return err
}

// inside runs do on a thread in the namespace. It must not block.
func (n *Namespace) inside(ctx context.Context, do func() error) error {
	select {
	case n.gate.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-n.gate.slots }()
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.target < 0 {
		return ErrClosed
	}
	done := make(chan error, 1)
	go visit(n.target, n.home, do, done)
	return <-done
}

// socket returns a TCP socket of the address's family in the namespace, which the
// caller closes. It is non-blocking, closed on exec, and sends without delay.
func (n *Namespace) socket(ctx context.Context, addr netip.Addr) (int, error) {
	family, ahead := unix.AF_INET6, 0
	if addr.Is4() {
		fd, more := n.spares.take()
		if fd >= 0 {
			return fd, nil
		}
		family, ahead = unix.AF_INET, more
	}
	fd := -1
	var spare []int
	err := n.inside(ctx, func() (err error) {
		if fd, err = newSocket(family); err != nil {
			return err
		}
		for range ahead {
			more, err := newSocket(family)
			if err != nil {
				break // the one that is wanted is there
			}
			spare = append(spare, more)
		}
		return nil
	})
	n.spares.put(spare)
	if err != nil && fd >= 0 { // the thread did not find the way back
		unix.Close(fd)
		fd = -1
	}
	return fd, err
}

func newSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

// addresses are the namespace's own, those of the loopback interface and of
// single links aside.
func (n *Namespace) addresses(ctx context.Context) ([]netip.Addr, error) {
	var nets []net.Addr
	err := n.inside(ctx, func() (err error) {
		// Asks the kernel through a netlink socket of the calling thread.
		nets, err = net.InterfaceAddrs()
		return err
	})
	var out []netip.Addr
	for _, a := range nets {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().IsGlobalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out, err
}

// explain turns a lack of privilege into a sentence.
func explain(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("entering a sandbox's network namespace needs root or CAP_SYS_ADMIN: %w", err)
	}
	return err
}
