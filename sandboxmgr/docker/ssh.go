package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// maxComplaint bounds what is kept of what ssh prints.
const maxComplaint = 1 << 10

// sshDialer returns a function that connects to an engine as Docker's own client
// does: by a program there that joins its standard streams to the engine's
// socket. Keys, agents and known hosts are ssh's own business.
func sshDialer(u *url.URL) (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	switch {
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-"):
		return nil, fmt.Errorf("docker host %s names no computer", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("docker host %s: want ssh://user@computer:port/socket", u.Redacted())
	}
	if _, set := u.User.Password(); set {
		return nil, errors.New("docker host ssh://: a password in it is not used; use a key")
	}
	args := []string{"-T", "-o", "ConnectTimeout=30", "-o", "BatchMode=yes"}
	if user := u.User.Username(); user != "" {
		args = append(args, "-l", user)
	}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, "--", u.Hostname(), "docker")
	if u.Path != "" && u.Path != "/" {
		args = append(args, "--host", "unix://"+u.Path)
	}
	args = append(args, "system", "dial-stdio")
	return func(context.Context, string, string) (net.Conn, error) { return startSSH(args) }, nil
}

// sshConn is a connection whose other end is an ssh process.
type sshConn struct {
	net.Conn
	cmd       *exec.Cmd
	complaint *complaint
	spoke     atomic.Bool
	closing   sync.Once
}

func startSSH(args []string) (net.Conn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	defer ours.Close() // FileConn has its own
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	c := &sshConn{Conn: conn, cmd: exec.Command("ssh", args...), complaint: new(complaint)}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, theirs, c.complaint
	if err := c.cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("ssh: %w", err)
	}
	return c, nil
}

// socketPair returns two connected sockets that children do not inherit.
func socketPair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "edge"), os.NewFile(uintptr(fds[1]), "ssh"), nil
}

// Read fails with what ssh complained of if it never got through.
func (c *sshConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.spoke.Store(true)
	}
	return n, c.explain(err)
}

// Write fails in the same way.
func (c *sshConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain(err)
}

// explain makes what ssh complained of out of the end of a connection on which
// nothing ever came.
func (c *sshConn) explain(err error) error {
	if err == nil || c.spoke.Load() || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.end()
	return fmt.Errorf("ssh: %s (%w)", c.complaint, err)
}

// CloseWrite ends what is sent; answers still come.
func (c *sshConn) CloseWrite() error { return c.Conn.(*net.UnixConn).CloseWrite() }

// Close ends the ssh process too.
func (c *sshConn) Close() error {
	err := c.Conn.Close()
	_ = c.cmd.Process.Kill() // fails if it has ended
	c.end()
	return err
}

// end waits for the ssh process, once.
func (c *sshConn) end() {
	c.closing.Do(func() { _ = c.cmd.Wait() }) // how it ended is in its complaint
}

// complaint keeps the end of what ssh prints.
type complaint struct {
	mu   sync.Mutex
	text []byte
}

func (c *complaint) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, b...)
	c.text = c.text[max(0, len(c.text)-maxComplaint):]
	return len(b), nil
}

func (c *complaint) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := strings.TrimSpace(string(c.text)); text != "" {
		return text
	}
	return "it ended without a word"
}
