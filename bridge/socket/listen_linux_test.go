package socket_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"edge/bridge/socket"
)

// TestInherited: what was set on the listener stands on each connection.
func TestInherited(t *testing.T) {
	t.Parallel()
	ln, err := socket.ListenConfig{DeadPeer: 60 * time.Second}.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.(*socket.Conn).Guarded(); got != 60*time.Second {
		t.Errorf("Guarded = %v", got)
	}
	fd, err := c.(*socket.Conn).Detach()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, o := range []struct {
		name               string
		level, which, want int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 30},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 55000},
	} {
		if got, err := unix.GetsockoptInt(fd, o.level, o.which); err != nil || got != o.want {
			t.Errorf("%s = %d, %v; want %d", o.name, got, err, o.want)
		}
	}
}

func TestListenerCloses(t *testing.T) {
	t.Parallel()
	ln, err := socket.ListenConfig{}.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close() // it keeps the port, which would be another's else, who listens
	ended := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		ended <- err
	}()
	if err := ln.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want %v", err, net.ErrClosed)
	}
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close = %v, want %v", err, net.ErrClosed)
	}
	if c, err := net.DialTimeout("tcp", ln.Addr().String(), patience); err == nil {
		c.Close()
		t.Error("a closed listener still takes connections")
	}
}
