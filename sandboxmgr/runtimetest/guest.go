package runtimetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/sandboxmgr/initrelay"
)

// Ports that the guest serves echo on.
const (
	PortV4  = 8080 // of 127.0.0.1
	PortV6  = 8081 // of ::1
	PortAll = 8082 // of 0.0.0.0
)

// TermCode is the guest's exit code after SIGTERM.
const TermCode = 7

// guestSocket is where the guest finds the host.
const guestSocket = "/.edge/run/s"

// patience bounds waiting for what comes by itself.
const patience = 60 * time.Second

// Command is what the guest is told; one field besides Text is set.
type Command struct {
	Shell string `json:",omitempty"` // run by /bin/sh
	TTY   string `json:",omitempty"` // run by /bin/sh on a terminal
	Read  string `json:",omitempty"` // a file
	Write string `json:",omitempty"` // a file, which becomes Text
	Text  string `json:",omitempty"`
	Env   string `json:",omitempty"` // the name of a variable
	Eat   int    `json:",omitempty"` // bytes of memory to use
	List  string `json:",omitempty"` // a folder
	Link  string `json:",omitempty"` // a symbolic link to read
	Dial  string `json:",omitempty"` // a TCP address to connect to
	// Kernel is a system call's number and its arguments.
	Kernel []uintptr `json:",omitempty"`
}

// Answer is what came of a Command.
type Answer struct{ Text, Err string }

// GuestMain is the main function of the init that machines run in these tests:
// it serves echo and does what the host's socket says, connecting again and
// again. It never returns. With the argument of a relay it is one.
func GuestMain() {
	if len(os.Args) == 2 && os.Args[1] == initrelay.Command {
		os.Exit(initrelay.Main(guestSocket))
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go exitOn(term)
	for host, port := range map[string]int{"127.0.0.1": PortV4, "[::1]": PortV6, "0.0.0.0": PortAll} {
		ln, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serveEcho(ln)
	}
	for {
		c, err := net.Dial("unix", guestSocket)
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		obey(c)
	}
}

func exitOn(term <-chan os.Signal) {
	<-term
	os.Exit(TermCode)
}

func serveEcho(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go echoAll(c)
	}
}

func echoAll(c net.Conn) {
	defer c.Close()
	_, _ = io.Copy(c, c)
}

func obey(c net.Conn) {
	defer c.Close()
	for s := bufio.NewScanner(c); s.Scan(); {
		var cmd Command
		if err := json.Unmarshal(s.Bytes(), &cmd); err != nil {
			return
		}
		b, _ := json.Marshal(cmd.run())
		if _, err := c.Write(append(b, '\n')); err != nil {
			return
		}
	}
}

func (c Command) run() Answer {
	var out []byte
	var err error
	switch {
	case c.Shell != "":
		out, err = exec.Command("/bin/sh", "-c", c.Shell).CombinedOutput()
	case c.TTY != "":
		out, err = onTerminal(c.TTY)
	case c.Write != "":
		err = os.WriteFile(c.Write, []byte(c.Text), 0o644)
	case c.Read != "":
		out, err = os.ReadFile(c.Read)
	case c.Env != "":
		out = []byte(os.Getenv(c.Env))
	case c.Eat > 0:
		eaten := make([]byte, c.Eat)
		for i := 0; i < len(eaten); i += 4096 {
			eaten[i] = 1
		}
		out = fmt.Append(nil, len(eaten))
	case c.List != "":
		out, err = list(c.List)
	case c.Link != "":
		var to string
		to, err = os.Readlink(c.Link)
		out = []byte(to)
	case c.Dial != "":
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", c.Dial, dialPatience); err == nil {
			conn.Close()
		}
	case len(c.Kernel) > 0:
		err = kernel(c.Kernel)
	}
	a := Answer{Text: string(out)}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// dialPatience bounds a connection that may lead nowhere.
const dialPatience = 2 * time.Second

// list returns the names in a folder, one a line.
func list(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	var names []byte
	for _, e := range entries {
		names = append(append(names, e.Name()...), '\n')
	}
	return names, err
}

// kernel makes a system call.
func kernel(call []uintptr) error {
	var a [7]uintptr
	copy(a[:], call)
	if _, _, errno := syscall.Syscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6]); errno != 0 {
		return errno
	}
	return nil
}

// Guest is the host's end of a guest's connection.
type Guest struct {
	Conn net.Conn
	in   *bufio.Reader
}

// RunDir makes a folder that fits MachineSpec.RunDir, whose path leaves room for
// a socket's name. The test's end removes it.
func RunDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Listen opens the socket that guests connect to, in place of an earlier one.
// The test's end closes it.
func Listen(t testing.TB, dir string) net.Listener {
	t.Helper()
	path := filepath.Join(dir, "s")
	os.Remove(path)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return ln
}

// Accept waits for a guest. The test's end closes its connection.
func Accept(t testing.TB, ln net.Listener) *Guest {
	t.Helper()
	if err := ln.(*net.UnixListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatalf("the init did not connect: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return &Guest{Conn: c, in: bufio.NewReader(c)}
}

// Call has the guest run a command. The error says that the guest has gone.
func (g *Guest) Call(cmd Command) (a Answer, err error) {
	b, err := json.Marshal(cmd)
	if err != nil {
		return a, err
	}
	if err := g.Conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return a, err
	}
	if _, err := g.Conn.Write(append(b, '\n')); err != nil {
		return a, err
	}
	line, err := g.in.ReadBytes('\n')
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(line, &a)
}

// Do has the guest run a command that must succeed, and returns its text.
func (g *Guest) Do(t testing.TB, cmd Command) string {
	t.Helper()
	a, err := g.Call(cmd)
	if err != nil {
		t.Fatalf("%+v: %v", cmd, err)
	}
	if a.Err != "" {
		t.Errorf("%+v: %s: %s", cmd, a.Err, a.Text)
	}
	return a.Text
}

// Shell has the guest run a script that must succeed, and returns its output
// without space around it.
func (g *Guest) Shell(t testing.TB, script string) string {
	t.Helper()
	return strings.TrimSpace(g.Do(t, Command{Shell: script}))
}
