package host

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

// TestTransient: what ends Serve, and what it waits out.
func TestTransient(t *testing.T) {
	t.Parallel()
	call := func(errno syscall.Errno) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
	}
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"no descriptor", call(syscall.EMFILE), true},
		{"none on this machine", call(syscall.ENFILE), true},
		{"no memory", call(syscall.ENOBUFS), true},
		{"the connection's own error", call(syscall.EHOSTUNREACH), true},
		{"a firewall", call(syscall.EPERM), true},
		{"closed", &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}, false},
		{"no listener", call(syscall.EINVAL), false},
		{"no socket", call(syscall.ENOTSOCK), false},
		{"no descriptor of ours", call(syscall.EBADF), false},
		{"anything else", errors.New("broken"), false},
	} {
		if got := transient(tt.err); got != tt.want {
			t.Errorf("%s: transient(%v) = %t", tt.name, tt.err, got)
		}
	}
}
