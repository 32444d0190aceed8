package admin

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTokenOfOddFiles wants an answer, and no token, from what is no file of the
// edge's own.
func TestTokenOfOddFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadToken(pipe); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a pipe: %v", err)
	}
	foreign := filepath.Join(dir, "foreign")
	if err := os.WriteFile(foreign, []byte(testToken), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadToken(foreign); err != nil {
		t.Errorf("an own file: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root can give a file to somebody else")
	}
	if err := os.Chown(foreign, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadToken(foreign); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("somebody else's: %v", err)
	}
}
