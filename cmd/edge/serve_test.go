package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/plugins/wasmasm"
)

// lockedBuffer is a bytes.Buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serving is an edge serve that runs in this process on one plugin, app.
type serving struct {
	*session
	config string
	log    *lockedBuffer
}

const servedConfig = "state: ./state\nplugins:\n  app: {source: app.wasm}\nroutes:\n  - {plugin: app, path: /one}\n"

func startServe(t *testing.T) *serving {
	t.Helper()
	return startServing(t, servedConfig)
}

func startServing(t *testing.T, config string) *serving {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.wasm"), answeringModule("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	return serveIn(t, dir, config)
}

// serveIn serves in a folder, in which an edge may have served before.
func serveIn(t *testing.T, dir, config string) *serving {
	t.Helper()
	s := &serving{session: &session{dir: dir}, config: filepath.Join(dir, "edge.yaml"), log: &lockedBuffer{}}
	if err := os.WriteFile(s.config, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	signals, ended := &signalBox{}, make(chan error, 1)
	s.ended, s.signal = ended, signals.send
	term := &terminal{out: s.log, err: s.log, getenv: func(string) string { return "" }, notify: signals.notify}
	var wg sync.WaitGroup
	wg.Go(func() {
		ended <- (&serveCommand{Flags: Flags{Listen: "127.0.0.1:0"}, Config: s.config, Drain: patience}).Run(context.WithoutCancel(t.Context()), term)
	})
	t.Cleanup(func() { signals.send(syscall.SIGTERM); signals.send(syscall.SIGTERM); wg.Wait() })
	return s
}

// logged waits until the log holds the text, and returns what follows it up to
// the next space.
func (s *serving) logged(t *testing.T, text string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, after, found := strings.Cut(s.log.String(), text); found {
			word, _, _ := strings.Cut(after, " ")
			return word
		}
	}
	t.Fatalf("the log does not hold %q but\n%s", text, s.log)
	return ""
}

// loggedTimes waits until the log holds the text so often.
func (s *serving) loggedTimes(t *testing.T, text string, times int) {
	t.Helper()
	for end := time.Now().Add(patience); strings.Count(s.log.String(), text) < times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log does not hold %q %d times but\n%s", text, times, s.log)
		}
	}
}

func (s *serving) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		t.Fatalf("edge serve did not end:\n%s", s.log)
		return nil
	}
}

func TestHangupTakesOverTheConfiguration(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	url := "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:")
	s.serves(t, url+"/one", "hello")
	s.serves(t, url+"/two", "NOT_FOUND")

	edit(t, s.config, "path: /one", "path: /two, paht: /x")
	s.signal(syscall.SIGHUP)
	s.logged(t, "reload refused; everything stays as it is")
	s.logged(t, "unknown key")
	s.serves(t, url+"/one", "hello")

	edit(t, s.config, ", paht: /x", "")
	edit(t, s.config, "plugins:\n", "domain: edge.test\nplugins:\n  other: {source: other.wasm}\n")
	if err := os.WriteFile(filepath.Join(s.dir, "other.wasm"), []byte("no module"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.logged(t, "reload refused; routes stay as they are")
	s.serves(t, url+"/one", "hello")

	edit(t, s.config, "  other: {source: other.wasm}\n", "")
	s.signal(syscall.SIGHUP)
	s.logged(t, "keys=domain")
	s.logged(t, "msg=reloaded")
	s.serves(t, url+"/two", "hello")
	s.serves(t, url+"/one", "NOT_FOUND")

	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Errorf("edge serve ended with %v", err)
	}
}

// TestLogIsWholeAtTheEnd wants every request in the log, in order with the rest of
// it, although lines are written together.
func TestLogIsWholeAtTheEnd(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	url := "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:")
	const requests = 20
	for range requests {
		s.serves(t, url+"/one", "hello")
	}
	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Errorf("edge serve ended with %v", err)
	}
	log := s.log.String()
	before, after, found := strings.Cut(log, "draining; the signal again")
	if served, late := strings.Count(before, "msg=request "), strings.Count(after, "msg=request "); !found || served < requests || late > 0 {
		t.Errorf("%d requests before the signal and %d after it:\n%s", served, late, log)
	}
}

// TestSignalDuringReload has a module loaded that never returns: the signal that
// ends the server calls that off.
func TestSignalDuringReload(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	s.logged(t, "msg=serving")
	replace(t, filepath.Join(s.dir, "app.wasm"), endlessModule())
	s.signal(syscall.SIGHUP)
	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Errorf("edge serve ended with %v", err)
	}
	if log := s.log.String(); strings.Contains(log, "refused") {
		t.Errorf("the reload was waited for:\n%s", log)
	}
}

// endlessModule is a plugin whose edge_init does not return.
func endlessModule() []byte {
	m := wasmasm.New()
	m.Memory(1, 0)
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.Forever(), wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "", wasmasm.I32(0))
	return m.Encode()
}

// TestSecondSignalSkipsDraining keeps a connection open that draining would wait
// for.
func TestSecondSignalSkipsDraining(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	addr := "127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	s.logged(t, "draining")
	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Errorf("edge serve ended with %v", err)
	}
}

func TestPortInUseIsAFailure(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := configIn(t, "state: ./state\n")
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"serve", "--config", config, "--listen", l.Addr().String()}, quietTerminal(&out, &errs))
	if code != exitFailure || !strings.Contains(errs.String(), "address already in use") {
		t.Errorf("exit %d: %s", code, &errs)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(config), "state")); err == nil {
		t.Error("a state folder was made")
	}
}
