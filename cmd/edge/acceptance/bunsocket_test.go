package acceptance

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edge/abi"
)

// echoOnce has a page talk to the WebSocket server behind it.
const echoOnce = `
const ws = new WebSocket(location.origin.replace("http", "ws"));
ws.onopen = () => ws.send("from the page");
ws.onmessage = (event) => { document.body.textContent = event.data; ws.close(1000, "done"); };
ws.onclose = (event) => { document.title = [event.code, event.reason, event.wasClean].join(" "); };
ws.readyState`

// TestBunWebSocket talks to the guides' Bun server from a page in Chromium and
// with Bun's own client.
func TestBunWebSocket(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		box := newSandbox(t, p, "bun")
		box.copyIn("bun")
		box.serve("echo", "bun run echo-server.ts", 8080)
		const token = "bunsocket"
		exposed := call(box, abi.ExposePort, abi.ExposePortRequest{Port: 8080, Token: token})
		if want := strings.Replace(exposed.URL, "http", "ws", 1); exposed.WSURL != want {
			t.Errorf("the WebSocket's URL is %s, want %s", exposed.WSURL, want)
		}

		b := openTab(t)
		b.open(exposed.URL)
		b.holds("body", "WebSocket echo server")
		eval[int](b, echoOnce)
		b.holds("body", "Echo: from the page")
		b.until("it closes as agreed", `document.title === "1000 done true"`)
		b.shot("bun-" + p.String())

		said := box.bunClient(exposed.WSURL)
		if want := "Echo: from Bun\n1000 done\n"; said != want {
			t.Errorf("Bun's client says %q, want %q", said, want)
		}
	})
}

// bunClient has Bun, outside of any sandbox, talk to a WebSocket server, and
// returns what it printed.
func (s *sandbox) bunClient(address string) string {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(root, "bin", "tools", "bun"), "run", filepath.Join("testdata", "bun", "client.ts"), address, s.edge.addr, s.edge.rootFile())
	said, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("Bun's client: %v", err)
	}
	return string(said)
}
