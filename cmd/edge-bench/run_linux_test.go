package main

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

// TestMain lets the test's own binary be the backend and Go's proxy, as
// edge-bench's is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "echo" || os.Args[1] == "reverseproxy") {
		main()
		return
	}
	goleak.VerifyTestMain(testleak.Settle(m))
}

// startEcho runs a backend of the test's own and returns where it listens.
func startEcho(t *testing.T) netip.AddrPort {
	t.Helper()
	e, err := newEcho(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	addr, err := e.addr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go serveEcho(ctx, e, served)
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return addr
}

func serveEcho(ctx context.Context, e *echo, served chan<- error) { served <- e.serve(ctx) }

// TestEchoOfLibrary has a real WebSocket client talk to the backend.
func TestEchoOfLibrary(t *testing.T) {
	t.Parallel()
	addr := startEcho(t)
	ws, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+addr.String()+"/any", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if err := ws.SetReadDeadline(time.Now().Add(checkBound)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 5, 126, 70_000, 3 << 20} {
		if err := ws.WriteMessage(websocket.TextMessage, pattern(size)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := ws.ReadMessage()
		if err != nil || kind != websocket.TextMessage || !bytes.Equal(got, pattern(size)) {
			t.Fatalf("%d bytes: kind %d, %d bytes, %v", size, kind, len(got), err)
		}
	}
	if err := ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "enough")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 4001) {
		t.Errorf("closed with %v", err)
	}
}

// TestBackendBehaves has the backend pass its own checks, without a proxy.
func TestBackendBehaves(t *testing.T) {
	t.Parallel()
	if found := verdicts(t.Context(), startEcho(t)); len(found) > 0 {
		t.Errorf("failed: %v", found)
	}
}

// TestEchoKeepsUp has a client that reads nothing for a while: the backend stops
// reading from it, serves others, and loses nothing.
func TestEchoKeepsUp(t *testing.T) {
	t.Parallel()
	addr := startEcho(t)
	slow, err := openClient(t.Context(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	const messages, size = 64, 256 << 10
	sent := make(chan error, 1)
	go sendMany(slow, messages, size, sent)
	if err := echoesExactly(t.Context(), addr); err != nil {
		t.Errorf("another client meanwhile: %v", err)
	}
	for i := range messages {
		if err := slow.want(opBinary, pattern(size)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func sendMany(c *client, messages, size int, sent chan<- error) {
	for range messages {
		if err := c.send(fin|opBinary, pattern(size)); err != nil {
			sent <- err
			return
		}
	}
	sent <- nil
}

// quick is a run of some modes that takes seconds.
func quick(t *testing.T, args ...string) *results {
	t.Helper()
	o, err := parseRun(append([]string{"-quick", "-for", "50ms", "-bridges", "100", "-out", t.TempDir()}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	r, err := measure(t.Context(), o, &told)
	t.Log(told.String())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// measuredAll fails unless each server has a sample in each mode that is for it.
func measuredAll(t *testing.T, r *results, servers ...string) {
	t.Helper()
	for i := range r.Modes {
		m := &r.Modes[i]
		for _, name := range servers {
			if m.idle() && name == nameDirect || m.Name == modeIdlePolicy && name != nameEdge {
				continue
			}
			if len(m.good(name)) != r.Rounds {
				t.Errorf("%s: %s", m.Name, r.why(m, name))
			}
		}
	}
}

// TestRun measures without a proxy and with Go's.
func TestRun(t *testing.T) {
	r := quick(t, "-peers", "direct,reverseproxy", "-only", "echo-64,echo-16k-16,latency,handshake,http-small,sse,idle")
	measuredAll(t, r, nameDirect, nameGo)
	if r.peer(nameNginx).Missing == "" || len(r.peer(nameDirect).Failed) > 0 {
		t.Errorf("servers: %+v", r.Peers)
	}
	for i := range r.Modes {
		m := &r.Modes[i]
		for _, s := range m.good(nameGo) {
			if m.idle() != (s.Bridges == 100) || (!m.idle() && (s.CPU <= 0 || s.Rate <= 0)) || (m.delayed() && s.P50 <= 0) {
				t.Errorf("%s: %+v", m.Name, s)
			}
		}
	}
}

// TestRunEdge measures the edge itself, with a sandbox.
func TestRunEdge(t *testing.T) {
	plugin, binary := edgeParts(t)
	place, err := os.MkdirTemp("", "eb-") // short: a socket's path is below it
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(place)
	t.Setenv("TMPDIR", place)
	r := quick(t, "-edge", binary, "-plugin", plugin, "-peers", "edge", "-only", "echo-64,handshake,http-small,sse,idle-policy")
	measuredAll(t, r, nameEdge)
	if failed := r.peer(nameEdge).Failed; len(failed) > 0 {
		t.Errorf("the edge fails checks: %v", failed)
	}
	out, err := exec.Command("ps", "-eo", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, place) {
			t.Errorf("still runs: %s", line)
		}
	}
	if left, err := os.ReadDir(place); err != nil || len(left) > 0 {
		t.Errorf("still there: %v, %v", left, err)
	}
}

// edgeParts are the routing plugin, built here, and the edge that make setup
// built.
func edgeParts(t *testing.T) (plugin, binary string) {
	t.Helper()
	binary = filepath.Join("..", "..", "bin", "edge")
	switch _, err := os.Stat(binary); {
	case err != nil:
		need(t, "bin/edge, which make setup builds")
	case os.Geteuid() != 0:
		need(t, "root, for the process runtime")
	}
	plugin = filepath.Join(t.TempDir(), "route.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", plugin, "./testdata/route")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CGO_ENABLED=") }), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	return plugin, binary
}

func need(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have this: %s", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: needs %s", what)
}

// TestRunEnds ends a run in its middle and looks for what it left.
func TestRunEnds(t *testing.T) {
	o, err := parseRun([]string{"-quick", "-for", "10s", "-peers", "direct,reverseproxy", "-only", "echo-64", "-out", t.TempDir()}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told := cancelWriter{cancel}
	if _, err := measure(ctx, o, told); err == nil {
		t.Error("a run that was ended is no error")
	}
	if left := processTree(os.Getpid()); len(left) > 1 {
		t.Errorf("processes %v are left", left[1:])
	}
}

// cancelWriter ends the run as soon as it says anything.
type cancelWriter struct{ cancel context.CancelFunc }

func (w cancelWriter) Write(b []byte) (int, error) {
	w.cancel()
	return len(b), nil
}

// TestCheckFinds has every check fail where nobody listens.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	if found := verdicts(t.Context(), addr); len(found) != len(checks()) {
		t.Errorf("nobody listens, and %d of %d checks failed", len(found), len(checks()))
	}
}
