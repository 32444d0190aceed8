package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fasthttp/websocket"

	"edge/abi"
)

// numberedWorker answers its number, connects WebSockets to a sandbox, and has a timer
// that is due in an hour.
func numberedWorker(n int) string {
	return sdk + fmt.Sprintf(`
let armed = false;

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const sandbox = getSandbox(env.Sandbox, "reloaded");
    if (request.headers.get("Upgrade") === "websocket") return connect(sandbox, request, 8080);
    if (!armed) {
      armed = true;
      setTimeout(() => console.log("the hour is over"), 3600000);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    return new Response(%q);
  },
};
`, fmt.Sprint(n))
}

// TestWorkerReloadUnderLoad reloads a Worker again and again, each time with another
// number, while requests run, each of which waits for a timer, and WebSockets that it
// connected are open. No request fails, no socket closes, no number comes after a newer
// one, and each version's timers are dropped with one line for each isolate.
func TestWorkerReloadUnderLoad(t *testing.T) {
	const reloads, sockets, workersAtOnce = 20, 50, 4
	s := settings{runtime: "process", pluginKeys: oneIsolate}
	w := newWorkers(t, s, map[string]string{"numbered": numberedWorker(0)})
	b := w.box("reloaded")
	b.write(t, "/tmp/server.ts", exampleServer(t, "echo"))
	b.must(t, "startProcess", &abi.StartProcessRequest{Command: "bun run /tmp/server.ts"}, nil)
	b.listens(t, 8080, "")
	var open []*websocket.Conn
	for range sockets {
		open = append(open, w.dial("/numbered"))
	}
	load := startLoad(t.Context(), workersAtOnce, "http://"+w.addr+"/numbered")
	load.await(t, 0)
	for n := 1; n <= reloads; n++ {
		w.change(t, "numbered", numberedWorker(n))
		if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		load.await(t, n)
		if err := echo(w.dial("/numbered"), "a new socket"); err != nil {
			t.Errorf("after reload %d: %v", n, err)
		}
	}
	requests, failed := load.stop()
	if failed != nil {
		t.Errorf("a request failed: %v", failed)
	}
	for i, ws := range open {
		if err := echo(ws, fmt.Sprint("socket ", i)); err != nil {
			t.Errorf("socket %d: %v", i, err)
		}
	}
	w.eventually("each version's timer was dropped", func() error {
		if n := strings.Count(w.log.String(), "ttl"); n != reloads {
			return fmt.Errorf("%d lines, want %d", n, reloads)
		}
		return nil
	})
	if strings.Contains(w.log.String(), "the hour is over") {
		t.Error("a timer of an hour was due")
	}
	t.Logf("%d reloads under %d requests and %d open sockets", reloads, requests, sockets)
}

// change puts another source in place of a Worker's, as an editor does.
func (w *workers) change(t testing.TB, name, source string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name+".ts"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reload changes the sources of Workers a little, has the edge take them, and waits
// until it did.
func (w *workers) reload(t testing.TB, names ...string) {
	t.Helper()
	before := map[string]string{}
	for _, name := range names {
		before[name] = w.digest(t, name)
		source, err := os.ReadFile(filepath.Join(w.dir, name+".ts"))
		if err != nil {
			t.Fatal(err)
		}
		w.change(t, name, string(source)+"\nglobalThis.reloads = 1 + (globalThis.reloads ?? 0);\n")
	}
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.eventually("the Workers are reloaded", func() error {
		for _, name := range names {
			if w.digest(t, name) == before[name] {
				return fmt.Errorf("%s is not", name)
			}
		}
		return nil
	})
}

// digest is that of the version of a Worker that serves.
func (w *workers) digest(t testing.TB, name string) string {
	t.Helper()
	var p struct{ Digest string }
	if err := json.Unmarshal(w.edge.ask("GET", "/v1/plugins/"+name, 200), &p); err != nil {
		t.Fatal(err)
	}
	return p.Digest
}
