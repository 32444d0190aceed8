package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"edge/bridge/socket"
	"edge/cmd/edge/testleak"
)

// helperEnv makes the test binary the helper; portRangeEnv is the range of
// ephemeral ports in its namespace.
const (
	helperEnv    = "NETNS_TEST_HELPER"
	portRangeEnv = "NETNS_TEST_PORT_RANGE"
)

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		if err := serveInside(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(testleak.Settle(m))
}

// Ports that the helper serves in its namespace.
const (
	portV4   = 8080 // 127.0.0.1
	portV6   = 8081 // ::1
	portAll  = 8082 // 0.0.0.0
	portOwn  = 8083 // ownAddr alone
	portFull = 8084 // 127.0.0.1, never accepts
	ownAddr  = "10.9.8.7"
)

// serveInside is the helper: it runs in a network namespace of its own, serves
// echo on the ports above, says "ready" and ends when its input does.
func serveInside() error {
	if err := loopbackUp(); err != nil {
		return err
	}
	if r := os.Getenv(portRangeEnv); r != "" {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(r), 0); err != nil {
			return err
		}
	}
	for _, a := range []string{
		fmt.Sprintf("127.0.0.1:%d", portV4), fmt.Sprintf("[::1]:%d", portV6),
		fmt.Sprintf("0.0.0.0:%d", portAll), fmt.Sprintf("%s:%d", ownAddr, portOwn),
	} {
		ln, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		go serveEcho(ln)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: portFull, Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	own, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	return errors.Join(
		unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, up),
		own.SetInet4Addr(net.ParseIP(ownAddr).To4()),
		unix.IoctlIfreq(s, unix.SIOCSIFADDR, own),
	)
}

func serveEcho(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// startHelper starts the helper and returns its process id.
func startHelper(t testing.TB, portRange string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1", portRangeEnv+"="+portRange)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, os.ErrPermission) {
			cannot(t, "making a network namespace needs root: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("helper said %q, %v", line, err)
	}
	return cmd.Process.Pid
}

// cannot skips loudly, except where everything must be there.
func cannot(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

func open(t testing.TB, gate *Gate) *Namespace {
	t.Helper()
	return openRange(t, gate, "")
}

func openRange(t testing.TB, gate *Gate, portRange string) *Namespace {
	t.Helper()
	pid := startHelper(t, portRange)
	n, err := gate.Open(pid)
	if errors.Is(err, os.ErrPermission) {
		cannot(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func echo(c net.Conn) error {
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != "hello" {
		return fmt.Errorf("echo answered %q", b)
	}
	return nil
}

func TestDial(t *testing.T) {
	t.Parallel()
	n := open(t, NewGate(2))
	tests := []struct {
		name string
		port int
		want error
	}{
		{"127.0.0.1", portV4, nil},
		{"::1", portV6, nil},
		{"0.0.0.0", portAll, nil},
		{"own address", portOwn, nil},
		{"nothing listens", 9999, syscall.ECONNREFUSED},
		{"port 0", 0, syscall.EINVAL},
		{"port 65536", 65536, syscall.EINVAL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := n.Dial(t.Context(), tt.port)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("Dial(%d) = %v, want %v", tt.port, err, tt.want)
			}
			if err != nil {
				return
			}
			defer c.Close()
			if err := echo(c); err != nil {
				t.Error(err)
			}
			checkTCP(t, c)
		})
	}
}

func checkTCP(t *testing.T, c net.Conn) {
	t.Helper()
	tc, ok := c.(*socket.Conn)
	if !ok {
		t.Fatalf("Dial returned a %T, want *socket.Conn", c)
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if v, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY); v != 1 || err != nil {
			t.Errorf("TCP_NODELAY = %d, %v; want 1", v, err)
		}
		if v, err := unix.FcntlInt(fd, unix.F_GETFL, 0); v&unix.O_NONBLOCK == 0 || err != nil {
			t.Errorf("flags %x, %v: not non-blocking", v, err)
		}
		if v, err := unix.FcntlInt(fd, unix.F_GETFD, 0); v&unix.FD_CLOEXEC == 0 || err != nil {
			t.Errorf("descriptor flags %x, %v: not closed on exec", v, err)
		}
	})
}

// TestDialItself: the only ephemeral port is the one dialled, so that the
// kernel connects the socket to itself although nothing listens.
func TestDialItself(t *testing.T) {
	t.Parallel()
	n := openRange(t, NewGate(1), "40000 40001")
	for range 4 {
		c, err := n.Dial(t.Context(), 40000)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("Dial = %v, %v; want %v", c, err, syscall.ECONNREFUSED)
		}
	}
}

// TestDialNoPortLeft: what fails for want of an ephemeral port does not pass
// for a closed port.
func TestDialNoPortLeft(t *testing.T) {
	t.Parallel()
	n := openRange(t, NewGate(1), "40000 40001")
	for range 10 {
		c, err := n.Dial(t.Context(), portV4)
		if err == nil {
			defer c.Close()
			continue
		}
		if !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Fatalf("Dial = %v, want %v", err, syscall.EADDRNOTAVAIL)
		}
		return
	}
	t.Fatal("the ephemeral ports never ran out")
}

// TestDialDeadline: a server that takes no connections holds a Dial until its
// context ends, and not longer.
func TestDialDeadline(t *testing.T) {
	t.Parallel()
	n := open(t, NewGate(2))
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		c, err := n.Dial(ctx, portFull)
		cancel()
		if err == nil {
			defer c.Close() // fills the backlog
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Dial = %v, want the deadline", err)
		}
		return
	}
	t.Fatal("the backlog never filled")
}

func TestDialCanceled(t *testing.T) {
	t.Parallel()
	n := open(t, NewGate(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n.gate.slots <- struct{}{} // no room: Dial has to wait
	defer func() { <-n.gate.slots }()
	if _, err := n.Dial(ctx, portV4); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v, want %v", err, context.Canceled)
	}
}

// TestSpares: sockets that were made ahead are closed when nobody dials any
// more, and with the namespace.
func TestSpares(t *testing.T) {
	t.Parallel()
	n := open(t, NewGate(1))
	spares := func() int {
		n.spares.mu.Lock()
		defer n.spares.mu.Unlock()
		return len(n.spares.fds)
	}
	fill := func() {
		for spares() == 0 { // two visits within a short time make some
			c, err := n.Dial(t.Context(), portV4)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := echo(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	for end := time.Now().Add(30 * spareFor); spares() > 0; time.Sleep(spareFor / 20) {
		if time.Now().After(end) {
			t.Fatalf("%d sockets are kept although nobody dials", spares())
		}
	}
	fill()
	n.Close()
	if got := spares(); got > 0 {
		t.Errorf("%d sockets left after Close", got)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	if _, err := Open(os.Getpid()); !errors.Is(err, ErrOwnNamespace) {
		t.Errorf("Open(self) = %v, want %v", err, ErrOwnNamespace)
	}
	if _, err := Open(1 << 22); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open(no process) = %v, want %v", err, os.ErrNotExist)
	}
}

func TestCloseEndsDialling(t *testing.T) {
	t.Parallel()
	n := open(t, NewGate(1))
	c, err := n.Dial(t.Context(), portV4)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if err := n.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if _, err := n.Dial(t.Context(), portV4); !errors.Is(err, ErrClosed) {
		t.Errorf("Dial after Close = %v, want %v", err, ErrClosed)
	}
	if err := echo(c); err != nil {
		t.Errorf("connection after Close: %v", err)
	}
}

// TestHammer dials from many goroutines into two namespaces and checks that no
// thread of this process is left in either.
func TestHammer(t *testing.T) {
	t.Parallel()
	gate := NewGate(2)
	spaces := []*Namespace{open(t, gate), open(t, gate)}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for range 20 {
				c, err := spaces[i%2].Dial(t.Context(), portV4)
				if err != nil {
					t.Error(err)
					return
				}
				if err := echo(c); err != nil {
					t.Error(err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	// The other tests' threads may be inside for a moment; ours are in these two.
	var foreign []string
	for _, n := range spaces {
		l, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.target))
		if err != nil {
			t.Fatal(err)
		}
		foreign = append(foreign, l)
	}
	tasks, _ := filepath.Glob("/proc/self/task/*/ns/net")
	for _, p := range tasks {
		if l, err := os.Readlink(p); err == nil && l != home && strings.Contains(strings.Join(foreign, " "), l) {
			t.Errorf("%s is %s: left in a sandbox's namespace", p, l)
		}
	}
}
