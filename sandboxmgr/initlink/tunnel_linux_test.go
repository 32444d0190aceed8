package initlink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr/initproto"
)

// serveTCP runs a server for each connection on a loopback port.
func serveTCP(t testing.TB, address string, serve func(*net.TCPConn)) int {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().(*net.TCPAddr).Port
}

func echo(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, c) }

func tunnelTo(t testing.TB, l *Link, port int) net.Conn {
	t.Helper()
	c, err := l.Tunnel(within(t), port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

type halfCloser interface{ CloseWrite() error }

func TestTunnelBothWays(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0"} {
		c := tunnelTo(t, s.Link, serveTCP(t, address, echo))
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		go func() {
			c.Write(sent)
			c.(halfCloser).CloseWrite()
		}()
		h, want := sha256.New(), sha256.Sum256(sent)
		n, err := io.Copy(h, c)
		if err != nil || n != int64(len(sent)) || [32]byte(h.Sum(nil)) != want {
			t.Errorf("%s: %d bytes came back, %v", address, n, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	}
}

// TestTunnelHalfClose: each side can end its direction and go on with the
// other.
func TestTunnelHalfClose(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	port := serveTCP(t, "127.0.0.1:0", func(c *net.TCPConn) {
		b, _ := io.ReadAll(c) // until the client has ended its direction
		fmt.Fprintf(c, "got %d", len(b))
	})
	c := tunnelTo(t, s.Link, port)
	io.WriteString(c, "hello")
	c.(halfCloser).CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "got 5" || err != nil {
		t.Errorf("client first: %q, %v", b, err)
	}
	heard := make(chan string, 1)
	port = serveTCP(t, "127.0.0.1:0", func(c *net.TCPConn) {
		io.WriteString(c, "bye")
		c.CloseWrite()
		b, _ := io.ReadAll(c)
		heard <- string(b)
	})
	c = tunnelTo(t, s.Link, port)
	if b, err := io.ReadAll(c); string(b) != "bye" || err != nil {
		t.Errorf("server first: %q, %v", b, err)
	}
	io.WriteString(c, "still here")
	c.Close()
	if got := <-heard; got != "still here" {
		t.Errorf("the server heard %q", got)
	}
}

// TestTunnelClose: a client that closes, having ended its direction or not, is
// felt by the server, which says nothing itself.
func TestTunnelClose(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, half := range []bool{false, true} {
		accepted, gone := make(chan struct{}), make(chan struct{})
		port := serveTCP(t, "127.0.0.1:0", func(c *net.TCPConn) {
			close(accepted)
			io.Copy(io.Discard, c)
			for { // the end of its direction was heard; the whole end breaks writing
				if _, err := c.Write([]byte("x")); err != nil {
					close(gone)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
		c := tunnelTo(t, s.Link, port)
		<-accepted
		if half {
			c.(halfCloser).CloseWrite()
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
		c.Close()
		select {
		case <-gone:
		case <-time.After(patience):
			t.Fatalf("half %v: the server still talks to nobody", half)
		}
	}
	until(t, "no tunnel is counted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.tunnels == 0 })
}

// refusing returns a loopback port that is taken, so that nobody else can listen on it
// meanwhile, and on which nobody listens.
func refusing(t testing.TB) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return addr.(*syscall.SockaddrInet4).Port
}

func TestTunnelRefused(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	port := refusing(t)
	for range 20 { // the connection stays good for calls
		if _, err := s.Tunnel(within(t), port); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := s.Tunnel(within(t), 70000); err == nil {
		t.Error("port 70000 was dialled")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Tunnel(ctx, port); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if s.Broken() {
		t.Error("refusals break the link")
	}
}

// TestManyTunnels: tunnels are not counted among the connections for calls.
func TestManyTunnels(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	port := serveTCP(t, "127.0.0.1:0", echo)
	var conns []net.Conn
	for i := range 2 * initproto.MaxConns {
		c := tunnelTo(t, s.Link, port)
		fmt.Fprintf(c, "%4d", i)
		conns = append(conns, c)
	}
	for i, c := range conns {
		b := make([]byte, 4)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != fmt.Sprintf("%4d", i) {
			t.Fatalf("tunnel %d: %q, %v", i, b, err)
		}
	}
	if err := s.Call(within(t), initproto.OpPing, nil, nil); err != nil {
		t.Error(err)
	}
	s.Close() // ends the tunnels too
	for _, c := range conns {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("a tunnel outlived its link")
		}
	}
}

func TestListeningPorts(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	four, six := serveTCP(t, "127.0.0.1:0", echo), serveTCP(t, "[::1]:0", echo)
	var got initproto.PortList
	if err := s.Call(within(t), initproto.OpListeningPorts, nil, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(got.Ports, four) || !slices.Contains(got.Ports, six) || !slices.IsSorted(got.Ports) {
		t.Errorf("got %v, want %d and %d among them", got.Ports, four, six)
	}
}
