package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// session is an edge dev that runs in this process.
type session struct {
	dir    string
	lines  <-chan string
	errs   *bytes.Buffer
	ended  <-chan int
	signal func(os.Signal)
}

// startDev writes a new plugin project and starts edge dev in it.
func startDev(t *testing.T) *session {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"plugin", "new", dir}, quietTerminal(&out, &errs)); code != exitOK {
		t.Fatalf("plugin new: %s", &errs)
	}
	// No sandboxes: what runs them is of no concern here.
	edit(t, filepath.Join(dir, "edge.yaml"), "  Sandbox: {} # docker if an engine answers, else namespaces of this machine\n", "")
	return devIn(t, dir)
}

func devIn(t *testing.T, dir string) *session {
	t.Helper()
	r, w := io.Pipe()
	lines, ended := make(chan string, 1024), make(chan int, 1)
	signals := &signalBox{}
	s := &session{dir: dir, lines: lines, errs: new(bytes.Buffer), ended: ended, signal: signals.send}
	var wg sync.WaitGroup
	wg.Go(func() { scanLines(r, lines) })
	wg.Go(func() {
		ended <- run(context.WithoutCancel(t.Context()), []string{"dev", "--listen", "127.0.0.1:0", dir}, &terminal{
			out: w, err: s.errs, getenv: func(string) string { return "" }, notify: signals.notify,
		})
		w.Close()
	})
	t.Cleanup(func() { signals.send(syscall.SIGTERM); wg.Wait() })
	return s
}

// signalBox gives signals of its own to whoever wants to be notified.
type signalBox struct {
	mu    sync.Mutex
	boxes map[chan<- os.Signal]bool
}

func (b *signalBox) notify(c chan<- os.Signal, _ ...os.Signal) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.boxes == nil {
		b.boxes = map[chan<- os.Signal]bool{}
	}
	b.boxes[c] = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.boxes, c)
	}
}

func (b *signalBox) send(s os.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.boxes {
		select {
		case c <- s:
		default:
		}
	}
}

func scanLines(r io.Reader, lines chan<- string) {
	defer close(lines)
	for s := bufio.NewScanner(r); s.Scan(); {
		lines <- s.Text()
	}
}

// await returns the first line that matches.
func (s *session) await(t *testing.T, pattern string) string {
	t.Helper()
	re, bound := regexp.MustCompile(pattern), time.After(4*patience)
	var seen []string
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				t.Fatalf("edge dev ended before it printed %s; it printed\n%s\n%s", pattern, strings.Join(seen, "\n"), s.errs)
			}
			if re.MatchString(line) {
				return line
			}
			seen = append(seen, line)
		case <-bound:
			t.Fatalf("edge dev did not print %s, but\n%s", pattern, strings.Join(seen, "\n"))
		}
	}
}

// edit replaces a text of a file that must be there.
func edit(t *testing.T, file, old, new string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s does not hold %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDevFollowsTheSources edits a plugin while it is served: a good change is
// served, a bad one is shown and the old version goes on, edge.yaml is followed.
func TestDevFollowsTheSources(t *testing.T) {
	t.Parallel()
	s := startDev(t)
	source, config := filepath.Join(s.dir, "main.go"), filepath.Join(s.dir, "edge.yaml")

	s.await(t, `^plugin app \d+ ms sha256:[0-9a-f]{12}$`)
	url := strings.Replace(strings.Fields(s.await(t, `^serving http://localhost:\d+$`))[1], "localhost", "127.0.0.1", 1)
	s.serves(t, url, "Hello from app")

	edit(t, source, "Hello from app", "Good day from app")
	s.await(t, `^reload app \d+ ms sha256:[0-9a-f]{12}$`)
	s.serves(t, url, "Good day from app")

	edit(t, source, "return guest.Text(200, \"Good", "return guest.Tex(200, \"Good")
	s.await(t, `^build app does not build; the version before it goes on serving$`)
	s.await(t, `^  \| .*main\.go:\d+:\d+: undefined: guest\.Tex`)
	s.serves(t, url, "Good day from app")

	edit(t, source, "guest.Tex(200", "guest.Text(200")
	s.await(t, `^unchanged app`)

	edit(t, filepath.Join(s.dir, "edge-sdk", "abi", "doc.go"), "Package abi", "Package  abi")
	s.await(t, `^(unchanged|reload) app`)

	edit(t, config, "  - plugin: app", "  - plgin: app")
	s.await(t, `^config edge.yaml is refused; the old one stays in force$`)
	s.await(t, `^  \| .*edge\.yaml:\d+:\d+: routes\[0\]: unknown key "plgin"; did you mean "plugin"\?$`)
	s.serves(t, url, "Good day from app")

	edit(t, config, "  - plgin: app", "  - {plugin: app, path: /only}")
	s.await(t, `^config edge.yaml \d+ ms$`)
	s.serves(t, url+"/only", "Good day from app")
	s.serves(t, url+"/other", "NOT_FOUND")

	s.signal(os.Interrupt)
	select {
	case code := <-s.ended:
		if code != exitOK {
			t.Errorf("edge dev exits %d: %s", code, s.errs)
		}
	case <-time.After(patience):
		t.Fatal("edge dev did not end")
	}
}

func (s *session) serves(t *testing.T, url, text string) {
	t.Helper()
	if last, ok := awaitBody(url, regexp.MustCompile(regexp.QuoteMeta(text))); !ok {
		t.Fatalf("%s does not serve %q but %s", url, text, last)
	}
}

// TestDevStartsWithABrokenPlugin shows the mistake and serves once it is mended.
func TestDevStartsWithABrokenPlugin(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "app")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"plugin", "new", dir}, quietTerminal(&out, &errs)); code != exitOK {
		t.Fatalf("plugin new: %s", &errs)
	}
	edit(t, filepath.Join(dir, "edge.yaml"), "  Sandbox: {} # docker if an engine answers, else namespaces of this machine\n", "")
	edit(t, filepath.Join(dir, "main.go"), "func main() {}", "func main() {")
	s := devIn(t, dir)
	s.await(t, `^build app does not build; nothing serves until it is mended$`)
	url := strings.Replace(strings.Fields(s.await(t, `^serving http://`))[1], "localhost", "127.0.0.1", 1)
	s.serves(t, url, "PLUGIN_FAILED")
	edit(t, filepath.Join(dir, "main.go"), "func main() {", "func main() {}")
	s.await(t, `^reload app `)
	s.serves(t, url, "Hello from app")
}
