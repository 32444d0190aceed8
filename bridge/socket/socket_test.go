package socket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"edge/bridge/socket"
	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }

// patience bounds what must come soon.
const patience = time.Minute

// pair returns both ends of a connection; ours is a Conn.
func pair(t testing.TB) (ours *socket.Conn, theirs *net.TCPConn) {
	t.Helper()
	ln, err := socket.ListenConfig{}.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	c, ok := near.(*socket.Conn)
	if !ok {
		t.Skipf("accepted a %T: only Linux accepts a *socket.Conn", near)
	}
	return c, far.(*net.TCPConn)
}

// waited makes c wait once, so that it is in the runtime's poller.
func waited(t testing.TB, c *socket.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read = %v, want %v", err, os.ErrDeadlineExceeded)
	}
	c.SetReadDeadline(time.Time{})
}

// eachState runs a test on a connection that never waited and on one that did.
func eachState(t *testing.T, test func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn)) {
	for _, polled := range []bool{false, true} {
		t.Run(map[bool]string{false: "never waited", true: "polled"}[polled], func(t *testing.T) {
			t.Parallel()
			ours, theirs := pair(t)
			if polled {
				waited(t, ours)
			}
			test(t, ours, theirs)
		})
	}
}

func TestReadWrite(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn) {
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // more than the kernel keeps
		var wg sync.WaitGroup
		wg.Go(func() {
			io.Copy(theirs, theirs)
			theirs.CloseWrite()
		})
		wg.Go(func() {
			if n, err := ours.Write(big); n != len(big) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			if err := ours.CloseWrite(); err != nil {
				t.Errorf("CloseWrite = %v", err)
			}
		})
		got, err := io.ReadAll(ours)
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("read %d bytes, %v; want the %d sent", len(got), err, len(big))
		}
		wg.Wait()
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn) {
		theirs.Write([]byte("x"))
		past := time.Unix(1, 0)
		ours.SetDeadline(past)
		_, err := ours.Read(make([]byte, 1))
		checkTimeout(t, "Read", err)
		_, err = ours.Write([]byte("x"))
		checkTimeout(t, "Write", err)
		ours.SetDeadline(time.Time{})
		if _, err := io.ReadFull(ours, make([]byte, 1)); err != nil {
			t.Errorf("Read without a deadline = %v", err)
		}
		// One that is set while a read waits counts.
		ended := make(chan error, 1)
		go func() {
			_, err := ours.Read(make([]byte, 1))
			ended <- err
		}()
		for {
			ours.SetReadDeadline(past)
			select {
			case err := <-ended:
				checkTimeout(t, "waiting Read", err)
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
}

func checkTimeout(t *testing.T, what string, err error) {
	t.Helper()
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s after its deadline = %v", what, err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn) {
		ended := make(chan error, 1)
		go func() {
			_, err := ours.Read(make([]byte, 1))
			ended <- err
		}()
		if err := ours.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read of a closed connection = %v", err)
			}
		case <-time.After(patience):
			t.Fatal("Close did not end a Read")
		}
		checkClosed(t, ours)
		theirs.SetReadDeadline(time.Now().Add(patience))
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other end reads %v, want EOF", err)
		}
	})
}

// checkClosed finds every operation refused.
func checkClosed(t *testing.T, c *socket.Conn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_, read := c.Read(make([]byte, 1))
	_, write := c.Write([]byte("x"))
	_, detach := c.Detach()
	for what, err := range map[string]error{
		"Read": read, "Write": write, "Close": c.Close(), "CloseWrite": c.CloseWrite(), "Detach": detach,
		"SetDeadline": c.SetDeadline(time.Time{}), "Control": raw.Control(func(uintptr) {}),
		"RawConn.Read": raw.Read(func(uintptr) bool { return true }), "RawConn.Write": raw.Write(func(uintptr) bool { return true }),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s = %v, want %v", what, err, net.ErrClosed)
		}
	}
}

func TestDetach(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn) {
		fd, err := ours.Detach()
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		checkClosed(t, ours)
		if v, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); v&unix.O_NONBLOCK == 0 || err != nil {
			t.Errorf("flags %x, %v: not non-blocking", v, err)
		}
		if v, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); v&unix.FD_CLOEXEC == 0 || err != nil {
			t.Errorf("descriptor flags %x, %v: not closed on exec", v, err)
		}
		if _, err := syscall.Write(fd, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(theirs, b); err != nil || string(b) != "hello" {
			t.Errorf("the other end reads %q, %v", b, err)
		}
	})
}

func TestRawRead(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn) {
		raw, err := ours.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		b, n, tries := make([]byte, 8), 0, 0
		err = raw.Read(func(fd uintptr) bool {
			if tries++; tries == 1 {
				theirs.Write([]byte("hello")) // after nothing was found
				return false
			}
			n, _ = syscall.Read(int(fd), b)
			return n > 0
		})
		if err != nil || string(b[:n]) != "hello" {
			t.Errorf("read %q, %v in %d tries", b[:n], err, tries)
		}
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	eachState(t, func(t *testing.T, ours *socket.Conn, theirs *net.TCPConn) {
		if got, want := ours.RemoteAddr().String(), theirs.LocalAddr().String(); got != want {
			t.Errorf("RemoteAddr = %s, want %s", got, want)
		}
		if got, want := ours.LocalAddr().String(), theirs.RemoteAddr().String(); got != want {
			t.Errorf("LocalAddr = %s, want %s", got, want)
		}
	})
}

// TestHammer closes and detaches connections that are in use everywhere: under
// the race detector, and with descriptors that others get at once.
func TestHammer(t *testing.T) {
	t.Parallel()
	for range 100 {
		ours, theirs := pair(t)
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, ours) })
		wg.Go(func() { io.Copy(ours, bytes.NewReader(make([]byte, 1<<16))) })
		wg.Go(func() { ours.SetDeadline(time.Now().Add(patience)) })
		wg.Go(func() { ours.LocalAddr() })
		wg.Go(func() { io.CopyN(io.Discard, theirs, 1<<10) })
		wg.Go(func() {
			if fd, err := ours.Detach(); err == nil {
				syscall.Close(fd)
			}
		})
		wg.Go(func() { ours.Close() })
		wg.Wait()
	}
}
