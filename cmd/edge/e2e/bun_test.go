package e2e

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// drain reads an answer to its end, so that its connection is used again.
func drain(resp *http.Response) error {
	defer resp.Body.Close()
	_, err := io.Copy(io.Discard, resp.Body)
	return err
}

// bunEcho runs the echo example's server without a sandbox and returns its
// address.
func bunEcho(t testing.TB) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "examples", "wasm", "echo", "server.ts"))
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "server.ts")
	moved := strings.Replace(string(source), "8080", port, 1)
	if moved == string(source) {
		t.Fatal("the echo server does not name its port 8080 any more")
	}
	if err := os.WriteFile(script, []byte(moved), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "bin", "tools", "bun"), "run", script)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go wait(cmd, exited)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	eventually(t, "bun listens", func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	})
	return addr
}
