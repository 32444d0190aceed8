package admin

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	tokenBytes     = 32 // random ones, of a token that is made
	minTokenLength = 32 // characters
	maxTokenLength = 512
)

// LoadToken returns the token in the file, and makes file and token at the first
// call: 32 random bytes in hex, mode 0600. A file that others than its owner can
// read, or that is neither the edge's user's nor root's, is refused, with the
// command that mends it. A token that somebody wrote
// there has 32 to 512 visible ASCII characters.
func LoadToken(path string) (string, error) {
	token, err := readToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	if err := makeToken(path); err != nil {
		return "", fmt.Errorf("make admin token: %w", err)
	}
	return readToken(path)
}

func readToken(path string) (string, error) {
	// A pipe would hold the open up until somebody writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("admin token: %w", err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("admin token: %s is not a file", path)
	case !trustedOwner(st):
		return "", fmt.Errorf("admin token: %s belongs to another user, who could change it; run: chown %d %s", path, os.Geteuid(), quote(path))
	case st.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("admin token: others than its owner can read %s (mode %04o); run: chmod 600 %s", path, st.Mode().Perm(), quote(path))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTokenLength+2))
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < minTokenLength || len(token) > maxTokenLength || strings.ContainsFunc(token, invisible) {
		return "", fmt.Errorf("admin token: %s does not hold %d to %d visible characters; remove it to have a new token made", path, minTokenLength, maxTokenLength)
	}
	return token, nil
}

// trustedOwner tells whether a file is the edge's own or root's.
func trustedOwner(st fs.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && (sys.Uid == 0 || int(sys.Uid) == os.Geteuid())
}

func invisible(r rune) bool { return r <= ' ' || r > '~' }

// quote makes one word of a path for a shell.
func quote(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return invisible(r) || strings.ContainsRune("'\"\\$`&|;<>()*?[]#~!{}", r) }) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// makeToken writes a new token, unless somebody else was faster. The file is
// complete before it has its name.
func makeToken(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	_, err = f.WriteString(hex.EncodeToString(b[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
