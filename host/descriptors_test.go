//go:build unix

package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	edgesocket "edge/bridge/socket"
)

// Environment variables that make this test's binary the server of
// TestOutOfDescriptors: the backend's address, and how to listen.
const (
	starvedBackend  = "EDGE_TEST_STARVED_BACKEND"
	starvedListener = "EDGE_TEST_STARVED_LISTENER"
)

// listeners are those of package net and of the edge itself.
var listeners = map[string]func(context.Context) (net.Listener, error){
	"net": func(ctx context.Context) (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	},
	"edge": func(ctx context.Context) (net.Listener, error) {
		return edgesocket.ListenConfig{}.Listen(ctx, "127.0.0.1:0")
	},
}

// TestStarvedServer is that server: it has few descriptors, prints its address and
// each pause of accepting, and ends with its standard input.
func TestStarvedServer(t *testing.T) {
	addr := os.Getenv(starvedBackend)
	if addr == "" {
		return // run by itself it has nothing to test
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	ln, err := listeners[os.Getenv(starvedListener)](t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		boxes: boxes(newBox("a", map[int]string{8080: addr})), HeadTimeout: time.Hour, DrainTimeout: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Observe: func(e Event) {
			if e.Kind == EventAcceptPaused {
				fmt.Println("paused")
			}
		},
	}
	if err := s.SetRoutes(all(always(&abi.Proxy{Sandbox: ref("a"), Port: 8080}))); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	fmt.Println("listening", ln.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// starved is a server in a process of its own.
type starved struct {
	*running
	lines *bufio.Scanner
	stdin io.Closer
	log   *bytes.Buffer // complete when the process has ended
	cmd   *exec.Cmd
}

func startStarved(t *testing.T, backend, listener string) *starved {
	t.Helper()
	s := &starved{log: new(bytes.Buffer)}
	s.cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStarvedServer$", "-test.timeout=5m")
	s.cmd.Env = append(os.Environ(), starvedBackend+"="+backend, starvedListener+"="+listener)
	s.cmd.Stderr = s.log
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stdin, s.lines = in, bufio.NewScanner(out)
	s.running = &running{addr: s.await(t, "listening ")}
	return s
}

// await reads the server's lines up to one that begins so, and returns its rest.
func (s *starved) await(t *testing.T, begin string) string {
	t.Helper()
	for s.lines.Scan() {
		if rest, ok := strings.CutPrefix(s.lines.Text(), begin); ok {
			return rest
		}
	}
	t.Fatalf("the server ended: %s", s.log)
	return ""
}

// end lets the server go down and returns its log.
func (s *starved) end(t *testing.T) string {
	t.Helper()
	_ = s.stdin.Close()
	for s.lines.Scan() { // to the end, as Wait wants it
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server: %v", err)
	}
	return s.log.String()
}

// TestOutOfDescriptors takes every descriptor of a server: accepting pauses, who is
// in is told by name that no sandbox can be connected to, an open socket goes on,
// and when descriptors are free again all is as before. The log tells it once.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	for listener := range listeners {
		t.Run(listener, func(t *testing.T) {
			t.Parallel()
			starve(t, startStarved(t, backend(t, echoSocket), listener))
		})
	}
}

func starve(t *testing.T, s *starved) {
	t.Helper()
	open := s.openSocket(t, "a")
	asking, upgrading := s.dial(t), s.dial(t)
	var idle []*client
	for range 64 {
		idle = append(idle, s.dial(t)) // those that are not accepted wait in the kernel
	}
	for range 5 {
		s.await(t, "paused")
	}

	open.send(frame(1, "still here", true))
	wantFrame(t, open.r, 1, "still here")
	asking.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := asking.answer("GET"); got.StatusCode != 200 {
		t.Errorf("/healthz: %d", got.StatusCode)
	}
	for range 3 {
		asking.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		wantStarved(t, asking.answer("GET"))
	}
	upgrading.send("GET / HTTP/1.1\r\nHost: a\r\n" + handshake + "\r\n")
	wantStarved(t, upgrading.answer("GET"))

	for _, c := range idle {
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	}
	for _, c := range idle { // the server has closed its end of each, those included that waited
		if _, err := io.Copy(io.Discard, c.r); err != nil {
			t.Fatalf("an idle connection ended with %v", err)
		}
		_ = c.Close()
	}
	// Whom the pause kept waiting is served after all.
	late := s.openSocket(t, "a")
	late.send(frame(1, "late", true))
	wantFrame(t, late.r, 1, "late")
	asking.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := asking.answer("GET"); got.StatusCode != 200 {
		t.Errorf("when descriptors are free again: %d %s", got.StatusCode, got.body)
	}
	open.send(frame(1, "and still", true))
	wantFrame(t, open.r, 1, "and still")
	_, _ = open.Close(), late.Close()

	log := s.end(t)
	for line, want := range map[string]int{"level=WARN": 1, "accepting is paused": 1, "accepting again": 1, "too many open files": 1, "PORT_NOT_LISTENING": 0} {
		if got := strings.Count(log, line); got != want {
			t.Errorf("the log says %q %d times, want %d:\n%s", line, got, want, log)
		}
	}
}

func wantStarved(t *testing.T, got answer) {
	t.Helper()
	if got.StatusCode != 503 || got.Header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"RUNTIME_UNAVAILABLE"`) || !strings.Contains(got.body, "no file descriptor left") {
		t.Errorf("answer %d, Retry-After %q: %s", got.StatusCode, got.Header.Get("Retry-After"), got.body)
	}
}
