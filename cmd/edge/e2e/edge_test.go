package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"edge/cmd/edge/testport"
)

// patience bounds every wait for an event. It is generous on purpose: a test
// says what it took, a benchmark judges it.
const patience = slowness * 3 * time.Minute

// buildPatience bounds the wait for an edge that may first build and compile its
// plugins, the standard library with them, and whose end would be noticed.
const buildPatience = 5 * patience

func cutEnv(kv string) (key, value string, ok bool) { return strings.Cut(kv, "=") }

// edge is one running edge with its configuration and state.
type edge struct {
	t     testing.TB
	addr  string
	state string
	// secure is set where the edge speaks HTTPS.
	secure bool
	// config is the path of the configuration file.
	config string
	// command is what is run; nil is serve.
	command []string
	// dir is where it is run; "" is here.
	dir    string
	cmd    *exec.Cmd
	log    *logBuffer
	exited chan struct{}
}

// settings is what a test's configuration is made of.
type settings struct {
	runtime string            // process or docker
	plugins map[string]string // name -> source
	routes  [][2]string       // path, plugin
	binding string            // more keys of the binding: "sleepAfter: 1s, warm: 1"
	env     []string          // for the edge process
	files   string            // keys of the binding; "" is what the runtime needs
	limits  string            // keys of limits; "" is the default
	// pluginKeys are more keys of every plugin: ", deadline: 1s".
	pluginKeys string
	// top are more lines of the file.
	top string
	// listen is where it listens; "" is a free port of this machine.
	listen string
}

// examples are the example plugins and their routes.
func examples(runtime string) settings {
	// A decision waits for a cold start, and how long that may take is no question here.
	s := settings{runtime: runtime, plugins: map[string]string{}, pluginKeys: ", deadline: 3m"}
	for _, r := range [][2]string{
		{"/ws/echo", "echo"}, {"/ws/broadcast", "broadcast"}, {"/ws/json", "json"}, {"/ws/realtime", "realtime"}, {"/*", "page"},
	} {
		s.plugins[r[1]] = filepath.Join(root, "bin", "wasm", r[1]+".wasm")
		s.routes = append(s.routes, r)
	}
	return s
}

// eachRuntime runs the test on every runtime. Without an engine the docker half
// is skipped, loudly, and in CI it fails.
func eachRuntime(t *testing.T, test func(t *testing.T, runtime string)) {
	for _, runtime := range []string{"process", "docker"} {
		t.Run(runtime, func(t *testing.T) {
			if runtime == "docker" {
				needDocker(t)
			}
			test(t, runtime)
		})
	}
}

func needDocker(t testing.TB) {
	t.Helper()
	if err := findDocker(); err != nil {
		need(t, false, err.Error())
	}
}

// findDocker tells what is missing to use Docker.
func findDocker() error {
	if out, err := exec.Command("docker", "image", "inspect", "edge-sandbox", "--format", "{{.Id}}").CombinedOutput(); err != nil {
		return fmt.Errorf("Docker with the image edge-sandbox (make image): %s", bytes.TrimSpace(out))
	}
	return nil
}

// need fails in CI and skips elsewhere.
func need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have this: %s", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: needs %s", what)
}

// newEdge writes a configuration and starts an edge with it.
func newEdge(t testing.TB, s settings) *edge {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge-e2e-") // short: a socket's path is in it
	if err != nil {
		t.Fatal(err)
	}
	if s.listen == "" {
		s.listen = freeAddr(t)
	}
	e := &edge{t: t, addr: s.listen, secure: strings.Contains(s.top, "tls:"), state: filepath.Join(dir, "s"), config: filepath.Join(dir, "edge.yaml")}
	if err := os.WriteFile(e.config, s.yaml(e), 0o600); err != nil {
		t.Fatal(err)
	}
	shareCache(t, e.state)
	t.Cleanup(func() {
		e.cleanSandboxes()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("leftovers: %v", err)
		}
	})
	e.start(s.env...)
	return e
}

// shareCache lets the edges of all tests compile each module once: a Go module
// takes seconds.
func shareCache(t testing.TB, state string) {
	t.Helper()
	if err := linkCache(state); err != nil {
		t.Fatal(err)
	}
}

func linkCache(state string) error {
	shared := filepath.Join(root, "build", "cache")
	return errors.Join(os.MkdirAll(shared, 0o700), os.MkdirAll(state, 0o700), os.Symlink(shared, filepath.Join(state, "cache")))
}

func (s settings) yaml(e *edge) []byte {
	var b bytes.Buffer
	files := "image: edge-sandbox"
	switch {
	case s.files != "":
		files = s.files
	case s.runtime == "process":
		files = fmt.Sprintf("tools: [%q]", filepath.Join(root, "bin", "tools"))
	}
	if s.binding != "" {
		files += ", " + s.binding
	}
	fmt.Fprintf(&b, "listen: %q\nstate: %q\n%slimits: {%s}\nsandboxes:\n  Sandbox: {runtime: %s, %s}\nplugins:\n", e.addr, e.state, s.top, s.limits, s.runtime, files)
	for name, source := range s.plugins {
		fmt.Fprintf(&b, "  %s: {source: %q%s}\n", name, source, s.pluginKeys)
	}
	b.WriteString("routes:\n")
	for _, r := range s.routes {
		fmt.Fprintf(&b, "  - {host: \"*\", path: %q, plugin: %s}\n", r[0], r[1])
	}
	return b.Bytes()
}

// freeAddr is an address of this machine that is the test's own until its end: an
// edge may be started on it, be killed and started again.
func freeAddr(t testing.TB) string {
	t.Helper()
	port, err := testport.Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	return port.Addr()
}

// start runs the binary and waits until it is ready.
func (e *edge) start(env ...string) {
	e.t.Helper()
	e.log = &logBuffer{}
	command := e.command
	if command == nil {
		command = []string{"serve", "--config", e.config}
	}
	e.cmd = exec.Command(binary, command...)
	e.cmd.Dir, e.cmd.Env = e.dir, append(os.Environ(), env...)
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	exited := make(chan struct{})
	e.exited = exited
	go wait(e.cmd, exited)
	e.t.Cleanup(func() {
		e.stop()
		if e.t.Failed() {
			e.t.Logf("edge said:\n%s", e.log)
		}
		if s := e.log.String(); strings.Contains(s, "DATA RACE") {
			e.t.Errorf("data race in the edge:\n%s", s)
		}
	})
	within(e.t, buildPatience, "the edge serves", func() error {
		select {
		case <-exited:
			e.t.Fatalf("edge ended at start:\n%s", e.log)
		default:
		}
		_, err := e.get("/healthz", 200)
		return err
	})
}

func wait(cmd *exec.Cmd, exited chan<- struct{}) {
	_ = cmd.Wait() // its exit code is read from ProcessState
	close(exited)
}

// stop ends the edge with SIGTERM and waits for it.
func (e *edge) stop() {
	e.t.Helper()
	_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-e.exited:
	case <-time.After(patience):
		_ = e.cmd.Process.Kill()
		<-e.exited
		e.t.Errorf("edge did not drain within %v:\n%s", patience, e.log)
	}
}

// kill ends the edge with SIGKILL.
func (e *edge) kill() {
	e.t.Helper()
	if err := e.cmd.Process.Kill(); err != nil {
		e.t.Fatal(err)
	}
	<-e.exited
}

func (e *edge) eventually(what string, check func() error) {
	e.t.Helper()
	eventually(e.t, what, check)
}

func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	within(t, patience, what, check)
}

// within is eventually with another bound.
func within(t testing.TB, bound time.Duration, what string, check func() error) {
	t.Helper()
	start := time.Now()
	var err error
	for time.Since(start) < bound {
		if err = check(); err == nil {
			if _, ok := t.(*testing.B); !ok { // which prints figures of its own
				t.Logf("%s after %v", what, time.Since(start).Round(time.Millisecond))
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s: not within %v: %v", what, bound, err)
}

// get returns the body of a GET whose status must be as given.
func (e *edge) get(path string, status int) (string, error) {
	if e.secure { // who answers is not the question
		return fetchTrusting(&tls.Config{InsecureSkipVerify: true}, "https://"+e.addr+path, status)
	}
	return fetch("http://"+e.addr+path, status)
}

func fetch(url string, status int) (string, error) { return fetchTrusting(nil, url, status) }

// fetchTrusting is fetch over HTTPS.
func fetchTrusting(trusted *tls.Config, url string, status int) (string, error) {
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialLocalhost, TLSClientConfig: trusted}}
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != status {
		return "", fmt.Errorf("%s: status %d, want %d: %.300s", url, resp.StatusCode, status, body)
	}
	return string(body), nil
}

// dialLocalhost reaches *.localhost (RFC 6761, section 6.3) and *.test without a
// resolver.
func dialLocalhost(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && (strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".test")) {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// dial opens a WebSocket through the edge.
func (e *edge) dial(path string) *websocket.Conn {
	e.t.Helper()
	ws, err := dialURL("ws://" + e.addr + path)
	if err != nil {
		e.t.Fatalf("%s: %v\n%s", path, err, e.log)
	}
	e.t.Cleanup(func() { ws.Close() })
	return ws
}

func dialURL(url string) (*websocket.Conn, error) { return dialTrusting(nil, url) }

// dialTrusting is dialURL over TLS.
func dialTrusting(trusted *tls.Config, url string) (*websocket.Conn, error) {
	d := websocket.Dialer{HandshakeTimeout: patience, NetDialContext: dialLocalhost, TLSClientConfig: trusted}
	ws, resp, err := d.Dial(url, nil)
	if err != nil && resp != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return nil, fmt.Errorf("%w: %d %s", err, resp.StatusCode, body)
	}
	return ws, err
}

// echo sends a text and wants it back.
func echo(ws *websocket.Conn, text string) error {
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		return err
	}
	_, got, err := ws.ReadMessage()
	if err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("echo: got %q, want %q", got, text)
	}
	return nil
}

// logBuffer keeps what a process printed.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// cleanSandboxes destroys what the edge left running, as a user would.
func (e *edge) cleanSandboxes() {
	if out, err := exec.Command(binary, "clean", "--config", e.config).CombinedOutput(); err != nil {
		e.t.Errorf("edge clean: %v\n%s", err, out)
	}
}
