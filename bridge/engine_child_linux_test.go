package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// An edge in a process of its own: what it holds is nobody else's, and it can be
// short of descriptors. It is this test binary again, told so by its environment,
// and obeys lines on its standard input, one line of answer each.
const (
	childEngine  = "EDGE_TEST_ENGINE"  // of engines()
	childBackend = "EDGE_TEST_BACKEND" // the address to bridge to
	childFiles   = "EDGE_TEST_FILES"   // the limit of open files, at most mostFiles

	mostFiles = 1000
)

// runChild serves as such a process if this is one, and says whether it was.
func runChild() bool {
	if runLoadChild() {
		return true
	}
	name := os.Getenv(childEngine)
	if name == "" {
		return false
	}
	if err := serveChild(name, os.Getenv(childBackend), os.Getenv(childFiles)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	return true
}

func serveChild(name, backend, files string) error {
	i := slices.IndexFunc(engines(), func(e engineCase) bool { return e.name == name })
	if i < 0 {
		return fmt.Errorf("no engine %q", name)
	}
	var limit syscall.Rlimit
	if _, err := fmt.Sscan(files, &limit.Cur); err != nil {
		return err
	}
	limit.Max = limit.Cur
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	e := engines()[i]
	x := &edge{relay: &Relay{Table: &Table{}, Engine: e.make(), HandshakeTimeout: wait}, backend: backend, wrap: e.wrap, quiet: true, failed: make(chan error, 1<<20)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &fasthttp.Server{Handler: x.handle, Logger: discardLogger{}, CloseOnShutdown: true, MaxIdleWorkerDuration: 50 * time.Millisecond}
	Configure(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(patient{wrapping{ln, e.wrap}}) }()
	fmt.Println(ln.Addr())
	x.obey()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	err = x.relay.Shutdown(ctx)
	ln.Close()
	return errors.Join(err, <-served)
}

// obey answers lines until there are no more.
func (x *edge) obey() {
	var filler []*os.File
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var free int
		switch line := lines.Text(); {
		case line == "count":
			fmt.Println(countFiles()-len(filler), runtime.NumGoroutine(), x.relay.Table.Count(nil))
		case line == "release":
			for _, f := range filler {
				f.Close()
			}
			filler = nil
			fmt.Println("ok")
		default:
			if _, err := fmt.Sscanf(line, "leave %d", &free); err != nil {
				fmt.Println("error:", line)
				continue
			}
			for { // open all descriptors but a few
				f, err := os.Open(os.DevNull)
				if err != nil {
					break
				}
				filler = append(filler, f)
			}
			for _, f := range filler[len(filler)-free:] {
				f.Close()
			}
			filler = filler[:len(filler)-free]
			fmt.Println("ok")
		}
	}
}

// countFiles counts this process's descriptors without needing one.
func countFiles() int {
	n := 0
	var st syscall.Stat_t
	for fd := range mostFiles {
		if syscall.Fstat(fd, &st) == nil {
			n++
		}
	}
	return n
}

// patient is a listener that waits out a lack of descriptors, as a host's does.
type patient struct{ net.Listener }

func (l patient) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if !errors.Is(err, syscall.EMFILE) {
			return c, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// childEdge is the parent's side of such a process.
type childEdge struct {
	t    testing.TB
	addr string
	in   io.Writer
	out  *bufio.Reader
}

// child starts one, which ends with the test.
func (e engineCase) child(t testing.TB, backend string, files int) *childEdge {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEngine+"="+e.name, childBackend+"="+backend, fmt.Sprintf("%s=%d", childFiles, files))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &childEdge{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		rest, _ := io.ReadAll(c.out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the edge ended with %v: %s", err, rest)
		}
	})
	c.addr = c.line()
	r := dialRaw(t, c.addr) // starts what the server keeps: no bridge yet
	r.send("nonsense\r\n\r\n")
	io.Copy(io.Discard, r)
	r.Close()
	return c
}

// line reads an answer.
func (c *childEdge) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		c.t.Fatalf("the edge says %q, %v", line, err)
	}
	return strings.TrimSpace(line)
}

func (c *childEdge) tell(line string) string {
	c.t.Helper()
	fmt.Fprintln(c.in, line)
	return c.line()
}

// holds is what the edge has: descriptors, goroutines and entries.
type holds struct{ files, goroutines, entries int }

func (c *childEdge) count() (h holds) {
	c.t.Helper()
	fmt.Sscan(c.tell("count"), &h.files, &h.goroutines, &h.entries)
	return h
}

// settled waits until the edge has no more than it had.
func (c *childEdge) settled(before holds) {
	c.t.Helper()
	var now holds
	eventually(c.t, func() bool {
		time.Sleep(20 * time.Millisecond)
		now = c.count()
		return now.files <= before.files && now.goroutines <= before.goroutines && now.entries <= before.entries
	}, func() { c.t.Errorf("the edge holds %+v, before it were %+v", now, before) })
}

// open makes a bridge through the edge; nil if it was refused.
func (c *childEdge) open() *raw {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	conn.SetDeadline(time.Now().Add(3 * wait))
	r := &raw{conn.(*net.TCPConn), c.t, bufio.NewReader(conn)}
	if !r.upgraded() {
		r.Close()
		return nil
	}
	return r
}
