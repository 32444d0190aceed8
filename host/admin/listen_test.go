package admin

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestListenAtTheLongestPath makes a socket whose path is as long as the kernel
// takes, after an edge that was killed while it made the same.
func TestListenAtTheLongestPath(t *testing.T) {
	t.Parallel()
	const longest = 103 // of any system: Linux takes 107, macOS 103
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, name := range []string{"admin.sock", "abcd", strings.Repeat("n", 40)} {
		deep := filepath.Join(dir, strings.Repeat("d", longest-len(dir)-len(name)-2))
		if err := os.Mkdir(deep, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(deep, name)
		made := makingPath(path)
		if len(path) != longest || len(made) > longest {
			t.Fatalf("%s has %d bytes, %s %d", path, len(path), made, len(made))
		}
		if err := os.Mkdir(filepath.Dir(made), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(made, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		_ = ln.Close()
		if left, err := os.ReadDir(deep); err != nil || len(left) != 0 {
			t.Errorf("%v is left, %v", left, err)
		}
	}
}
