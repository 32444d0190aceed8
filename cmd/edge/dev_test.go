package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edge/plugins/worker"
)

// session is an edge dev that runs in this process.
type session struct {
	dir    string
	lines  <-chan string
	errs   *bytes.Buffer
	ended  <-chan error
	signal func(os.Signal)
}

// startDev starts edge dev on one plugin, app, which answers with the text of
// its main.go, or does not build if that holds a "!".
func startDev(t *testing.T, text string) *session {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"edge.yaml": "plugins: {app: {source: app}}\nroutes:\n  - plugin: app\n", "app/main.go": text,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return startDevCommand(t, dir, &devCommand{Dir: dir, tool: textTool})
}

// startDevCommand starts edge dev as the command says, for the project in dir.
func startDevCommand(t *testing.T, dir string, command *devCommand) *session {
	t.Helper()
	command.Listen = "127.0.0.1:0"
	r, w := io.Pipe()
	lines, ended := make(chan string, 1<<16), make(chan error, 1)
	signals := &signalBox{}
	s := &session{dir: dir, lines: lines, errs: new(bytes.Buffer), ended: ended, signal: signals.send}
	term := &terminal{out: w, err: s.errs, getenv: func(string) string { return "" }, notify: signals.notify}
	var wg sync.WaitGroup
	wg.Go(func() { scanLines(r, lines) })
	wg.Go(func() {
		ended <- command.Run(context.WithoutCancel(t.Context()), term)
		w.Close()
	})
	t.Cleanup(func() { signals.send(syscall.SIGTERM); wg.Wait() })
	return s
}

// textTool is a go that turns a text into a module that answers with it.
func textTool(_ context.Context, folder string, args ...string) ([]byte, error) {
	if args[0] == "list" {
		return []byte(folder + "\n"), nil
	}
	source, err := os.ReadFile(filepath.Join(folder, "main.go"))
	if err != nil {
		return nil, err
	}
	if bytes.Contains(source, []byte("!")) {
		return []byte("# example.com/app\n./main.go:1:3: unexpected !\n"), errors.New("exit status 1")
	}
	return nil, os.WriteFile(args[slices.Index(args, "-o")+1], answeringModule(string(source)), 0o644)
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
	re, bound := regexp.MustCompile(pattern), time.After(patience)
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
	replace(t, file, []byte(strings.Replace(string(b), old, new, 1)))
}

// replace writes a file in one step: who watches it never reads a part of it. Tests that
// are about such parts write them.
func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	whole := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(whole, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(whole, file); err != nil {
		t.Fatal(err)
	}
}

// TestDevFollowsTheSources edits a plugin while it is served: a good change is
// served, a bad one is shown and the old version goes on, edge.yaml is followed.
func TestDevFollowsTheSources(t *testing.T) {
	t.Parallel()
	s := startDev(t, "hello")
	source, config := filepath.Join(s.dir, "app", "main.go"), filepath.Join(s.dir, "edge.yaml")

	s.await(t, `^plugin app \d+ ms sha256:[0-9a-f]{12}$`)
	url := s.url(t)
	s.serves(t, url, "hello")

	edit(t, source, "hello", "good day")
	s.await(t, `^reload app \d+ ms sha256:[0-9a-f]{12}$`)
	s.serves(t, url, "good day")

	edit(t, source, "good day", "good day!")
	s.await(t, `^build app does not build; the version before it goes on serving$`)
	s.await(t, `^  \| \./main\.go:1:3: unexpected !$`)
	s.serves(t, url, "good day")

	edit(t, source, "good day!", "good day")
	s.await(t, `^unchanged app \d+ ms$`)

	edit(t, config, "  - plugin: app", "  - plgin: app")
	s.await(t, `^config edge.yaml is refused; the old one stays in force$`)
	s.await(t, `^  \| .*edge\.yaml:3:5: routes\[0\]: unknown key "plgin"; did you mean "plugin"\?$`)
	s.serves(t, url, "good day")

	edit(t, config, "  - plgin: app", "  - {plugin: app, path: /only}\nreservedPorts: [3000]")
	s.await(t, `^config edge.yaml \d+ ms$`)
	s.await(t, `^config reservedPorts changed: restart edge dev to put it in force$`)
	s.serves(t, url+"/only", "good day")
	s.serves(t, url+"/other", "NOT_FOUND")

	s.signal(os.Interrupt)
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("edge dev ended with %v: %s", err, s.errs)
		}
	case <-time.After(patience):
		t.Fatal("edge dev did not end")
	}
}

// url is where edge dev says that it serves.
func (s *session) url(t *testing.T) string {
	t.Helper()
	return strings.Replace(strings.Fields(s.await(t, `^serving http://localhost:\d+$`))[1], "localhost", "127.0.0.1", 1)
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
	s := startDev(t, "hello!")
	s.await(t, `^build app does not build; nothing serves until it is mended$`)
	url := s.url(t)
	s.serves(t, url, "PLUGIN_FAILED")
	edit(t, filepath.Join(s.dir, "app", "main.go"), "hello!", "hello")
	s.await(t, `^reload app `)
	s.serves(t, url, "hello")
}

// TestDevLooksTwice has a source be half written when it is built: nothing is told of
// that, and what it is in the end is served.
func TestDevLooksTwice(t *testing.T) {
	t.Parallel()
	failed := make(chan struct{}, 16)
	dir := t.TempDir()
	writeFiles(t, dir, "edge.yaml", "plugins: {app: {source: app}}\nroutes:\n  - plugin: app\n", "app/main.go", "hello")
	s := startDevCommand(t, dir, &devCommand{Dir: dir, secondLook: 10 * patience, tool: func(ctx context.Context, folder string, args ...string) ([]byte, error) {
		output, err := textTool(ctx, folder, args...)
		if err != nil {
			failed <- struct{}{}
		}
		return output, err
	}})
	s.await(t, `^plugin app \d+ ms `)
	url := s.url(t)
	source := filepath.Join(dir, "app", "main.go")
	for _, text := range []string{"good", "better"} {
		edit(t, source, "", "half!")
		select {
		case <-failed:
		case <-time.After(patience):
			t.Fatal("the half of a source was not built")
		}
		writeFiles(t, dir, "app/main.go", text)
		if line := s.await(t, `^(reload|build) `); !strings.HasPrefix(line, "reload app ") {
			t.Errorf("edge dev printed %q", line)
		}
		s.serves(t, url, text)
	}
}

// TestEmptied tells files that were read as empty and were not before.
func TestEmptied(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before, now []string
		want        bool
	}{
		{nil, nil, false}, {nil, []string{"a.ts"}, true}, {[]string{"a.ts"}, []string{"a.ts"}, false}, {[]string{"a.ts"}, []string{"a.ts", "b.ts"}, true}, {[]string{"a.ts"}, nil, false},
	} {
		if got := emptied(worker.Built{Empty: tt.before}, worker.Built{Empty: tt.now}); got != tt.want {
			t.Errorf("before %q, now %q: %t, want %t", tt.before, tt.now, got, tt.want)
		}
	}
}

// TestDevLooksTwiceAtConfig has a configuration be read when it is empty, or not all of it
// is there: what was in force stays, and the rest is taken next.
func TestDevLooksTwiceAtConfig(t *testing.T) {
	t.Parallel()
	one := func(secrets Secrets) *Config { return &Config{Plugins: []Plugin{{Name: "app", Secrets: secrets}}} }
	for name, read := range map[string]func(string) (*Config, error){
		"no plugin": func(string) (*Config, error) { return &Config{}, nil },
		"no secret": func(string) (*Config, error) { return one(nil), nil },
		"half":      func(string) (*Config, error) { return nil, errors.New("half of it") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, changes := one(Secrets{"KEY": "x"}), make(chan change, 1)
			changes <- change{names: []string{configSource}}
			d := developer{file: configSource, load: read, config: before, changes: changes, secondLook: patience}
			d.reconfigure(t.Context(), time.Now())
			if d.config != before || !slices.Equal(d.next.names, []string{configSource}) {
				t.Errorf("the configuration is %v, next comes %v", d.config, d.next.names)
			}
		})
	}
}

// TestCleared tells a configuration that has lost all plugins, or all secrets.
func TestCleared(t *testing.T) {
	t.Parallel()
	none, plain, secret := &Config{}, &Config{Plugins: []Plugin{{}}}, &Config{Plugins: []Plugin{{Secrets: Secrets{"KEY": "x"}}}}
	for _, tt := range []struct {
		before, now *Config
		want        bool
	}{
		{none, none, false}, {none, plain, false}, {plain, plain, false}, {plain, secret, false}, {secret, secret, false},
		{plain, none, true}, {secret, plain, true},
	} {
		if got := cleared(tt.before, tt.now); got != tt.want {
			t.Errorf("%d plugins, then %d: %t, want %t", len(tt.before.Plugins), len(tt.now.Plugins), got, tt.want)
		}
	}
}
