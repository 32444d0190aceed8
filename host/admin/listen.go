package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Listen makes the Unix socket that ServeUnix serves: mode 0600 from its first
// moment. What a dead edge left there is replaced; a socket that answers, and
// anything that is no socket, is an error. Closing the listener removes the
// socket if it still is its own.
func Listen(path string) (net.Listener, error) {
	switch st, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("admin socket: %w", err)
	case st.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("admin socket: %s is there and is no socket", path)
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("admin socket: another edge listens on %s", path)
		}
	}
	// It gets its name when nobody else can open it any more.
	made := makingPath(path)
	dir := filepath.Dir(made)
	// Of an edge that was killed meanwhile; what else may be there stays.
	_ = os.Remove(made)
	_ = os.Remove(dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", made)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	s := &socketListener{Listener: ln, path: path}
	if err := s.publish(made); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return s, nil
}

// makingPath is where the socket of that path is made: in a folder beside it that
// nobody else can enter. It is no longer than the path, which may be as long as
// the kernel takes, unless the socket's name has less than 4 characters, and
// always the same, so that the next start removes what a killed edge left.
func makingPath(path string) string {
	dir, name := filepath.Split(path)
	sum := sha256.Sum256([]byte(name))
	folder := "." + hex.EncodeToString(sum[:])
	return filepath.Join(dir, folder[:min(max(len(name)-len("/s"), 2), 10)], "s")
}

// socketListener removes its socket when it is closed.
type socketListener struct {
	net.Listener
	path string
	own  fs.FileInfo
	once sync.Once
}

// publish gives the socket its name.
func (l *socketListener) publish(made string) error {
	if err := os.Chmod(made, 0o600); err != nil {
		return err
	}
	own, err := os.Lstat(made)
	if err != nil {
		return err
	}
	l.own = own
	return os.Rename(made, l.path)
}

// Close stops accepting.
func (l *socketListener) Close() error {
	l.once.Do(func() {
		if st, err := os.Lstat(l.path); err == nil && os.SameFile(st, l.own) {
			_ = os.Remove(l.path)
		}
	})
	return l.Listener.Close()
}

// Addr is the socket's name.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }
