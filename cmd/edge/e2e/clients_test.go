package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRealClients talks to the echo server through the edge with other people's
// WebSocket clients: Bun's, and Python's websockets.
func TestRealClients(t *testing.T) {
	e := newEdge(t, examples("process"))
	url := "ws://" + e.addr + "/ws/echo?id=clients"
	bun := filepath.Join(root, "node_modules/@oven/bun-linux-x64/bin/bun")
	for _, client := range []struct {
		name string
		argv []string
	}{
		{"bun", []string{bun, "run", "testdata/client.ts", url}},
		{"python", []string{"/usr/bin/python3", "testdata/client.py", url}},
	} {
		t.Run(client.name, func(t *testing.T) {
			if client.name == "python" {
				needPythonWebSockets(t)
			}
			out, err := exec.CommandContext(t.Context(), client.argv[0], client.argv[1:]...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

func needPythonWebSockets(t testing.TB) {
	t.Helper()
	need(t, exec.Command("/usr/bin/python3", "-c", "import websockets").Run() == nil, "Debian's python3-websockets")
}
