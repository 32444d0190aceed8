package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins/wasmasm"
)

// numbered is a guest that answers with its own number: in every third request
// as a stream, and after a host call that parks it.
func numbered(n int, async bool) []byte {
	g := newAsm()
	out := g.buffer(8)
	text := strconv.Itoa(n)
	body := wasmasm.Do(
		g.call("req_get", req(), 5, out), wasmasm.Drop(),
		wasmasm.I32(int32(out.ptr)), wasmasm.Load(), wasmasm.I32('s'), wasmasm.Equal(), // the query is "s"
		wasmasm.If(wasmasm.Do(
			g.drop("respond_begin", req(), 200, ""), g.drop("respond_write", req(), text), g.drop("respond_end", req()),
		), g.drop("respond", req(), 200, "", text)),
		g.drop("op", req(), "exec", "{}", 0, 0),
		wasmasm.I32(0))
	if async {
		return g.async(body, nil, nil)
	}
	return g.module(body)
}

// TestReloadUnderLoad replaces the module again and again while it decides:
// every call is served by exactly one generation, none fails, every number is
// seen, and every old generation is closed.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	for name, async := range map[string]bool{"synchronous": false, "asynchronous": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reloadUnderLoad(t, 50, async)
		})
	}
}

func reloadUnderLoad(t *testing.T, reloads int, async bool) {
	b := newBench(t, Config{
		CacheDir: t.TempDir(),
		Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) { return []byte("{}"), nil })},
	})
	spec := Spec{Name: "p", Source: filepath.Join(t.TempDir(), "p.wasm"), MaxInstances: 3, KeepWarm: -1, Rollback: Rollback{Failures: -1}}
	install := func(n int) {
		if err := os.WriteFile(spec.Source, numbered(n, async), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Load(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	install(0)
	p := b.Plugin("p")
	var seen sync.Map
	var stop atomic.Bool
	seen.Store(askNumber(t, p, false), true)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				seen.Store(askNumber(t, p, i%3 == 0), true)
			}
		})
	}
	for n := 1; n <= reloads; n++ {
		install(n)
		got := askNumber(t, p, false) // the new one serves from now on
		if got != strconv.Itoa(n) {
			t.Errorf("after reload %d the answer is %q", n, got)
		}
		seen.Store(got, true)
	}
	stop.Store(true)
	wg.Wait()
	for range reloads {
		b.event(t, EventDrained)
	}
	for n := range reloads + 1 {
		if _, ok := seen.Load(strconv.Itoa(n)); !ok {
			t.Errorf("number %d was never seen", n)
		}
	}
	if strings.Contains(b.book.String(), "plugin failed") {
		t.Errorf("log:\n%s", b.book)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.draining) != 0 {
		t.Errorf("%d generations are not closed", len(b.draining))
	}
}

// askNumber returns the number that the plugin answers with.
func askNumber(t *testing.T, p *Plugin, stream bool) string {
	r := newRequest()
	if r.Query = "n"; stream {
		r.Query = "s"
	}
	d, err := p.Decide(t.Context(), r)
	if err != nil {
		t.Errorf("decide: %v", err)
		return ""
	}
	answer := d.(*abi.Respond)
	if answer.Stream == nil {
		return string(answer.Body)
	}
	defer answer.Stream.Close()
	body, err := io.ReadAll(answer.Stream)
	if err != nil {
		t.Errorf("stream: %v", err)
	}
	return string(body)
}

// TestOldGenerationDrains keeps a call open over a reload: it ends in the
// generation in which it began, and that is closed only then.
func TestOldGenerationDrains(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) {
		entered <- struct{}{}
		<-release
		return []byte("{}"), nil
	})}})
	g := newAsm()
	p := b.load(t, g.module(g.drop("op", req(), "exec", "{}", 0, 0), g.drop("respond", req(), 200, "", "old"), wasmasm.I32(0)))
	got := make(chan string, 1)
	go func() { got <- askNumber(t, p, false) }()
	<-entered
	b.load(t, responding("new"))
	b.event(t, EventReloaded)
	if body := bodyOf(t, decide(t, p, newRequest())); body != "new" {
		t.Errorf("during the drain got %q", body)
	}
	select {
	case e := <-b.events:
		t.Errorf("event %+v while a call is open", e)
	default:
	}
	close(release)
	if body := <-got; body != "old" {
		t.Errorf("the open call got %q", body)
	}
	if e := b.event(t, EventDrained); e.Generation != 1 {
		t.Errorf("generation %d drained", e.Generation)
	}
}

// watched starts Watch on a registry with one plugin that serves module "0".
func watched(t *testing.T, settle time.Duration) (*bench, *Plugin, string) {
	b := newBench(t, Config{})
	b.settle = settle
	dir := filepath.Join(t.TempDir(), "dist")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "p.wasm")
	if err := os.WriteFile(path, responding("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	p, err := b.Load(t.Context(), Spec{Name: "p", Source: path})
	if err != nil {
		t.Fatal(err)
	}
	b.event(t, EventLoaded)
	return b, p, path
}

func TestWatch(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, path string, module []byte) {
		t.Helper()
		if err := os.WriteFile(path, module, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rename := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(t *testing.T, path string){
		"written": func(t *testing.T, path string) { write(t, path, responding("1")) },
		"renamed over": func(t *testing.T, path string) {
			write(t, path+".tmp", responding("1"))
			rename(t, path+".tmp", path)
		},
		"removed and made anew": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, responding("1"))
		},
		"written in pieces": func(t *testing.T, path string) {
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			module := responding("1")
			for len(module) > 0 {
				n := min(len(module), 100)
				if _, err := f.Write(module[:n]); err != nil {
					t.Fatal(err)
				}
				module = module[n:]
			}
		},
		"folder made anew": func(t *testing.T, path string) {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, path, responding("1"))
		},
		"folder swapped": func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			if err := os.Mkdir(dir+".new", 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir+".new", "p.wasm"), responding("1"))
			rename(t, dir, dir+".old")
			rename(t, dir+".new", dir)
		},
		"link's target in another folder": func(t *testing.T, path string) {
			target := filepath.Join(t.TempDir(), "target.wasm")
			write(t, target, responding("0"))
			if err := os.Symlink(target, path+".tmp"); err != nil {
				t.Fatal(err)
			}
			rename(t, path+".tmp", path)
			write(t, target+".tmp", responding("1"))
			rename(t, target+".tmp", target)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Long enough for a writer that the machine holds up in the middle.
			b, p, path := watched(t, 2*time.Second)
			change(t, path)
			b.event(t, EventReloaded)
			if got := bodyOf(t, decide(t, p, newRequest())); got != "1" {
				t.Errorf("got %q", got)
			}
			if log := b.book.String(); strings.Contains(log, "refused") {
				t.Errorf("a half-written file was tried:\n%s", log)
			}
		})
	}
}

// TestWatchSeesModes has a file that may be read from now on looked at again.
func TestWatchSeesModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.wasm")
	if err := os.WriteFile(path, responding("0"), 0o200); err != nil {
		t.Fatal(err)
	}
	before := stateOf(path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if stateOf(path).same(before) {
		t.Error("a change of the mode is no change")
	}
}

// TestWatchRefuses has a bad module written: it is refused once, whatever touches
// the file, and the old one serves until a good one comes.
func TestWatchRefuses(t *testing.T) {
	t.Parallel()
	b, p, path := watched(t, settle)
	bad := []byte("no module")
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := b.event(t, EventRefused)
	if got := bodyOf(t, decide(t, p, newRequest())); got != "0" {
		t.Errorf("after a refusal got %q", got)
	}
	for range 3 {
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, responding("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for e := range b.events {
		if e.Kind == EventRefused && e.Digest == refused.Digest {
			t.Errorf("refused again: %v", e.Err)
		}
		if e.Kind == EventReloaded {
			break
		}
	}
	if got := bodyOf(t, decide(t, p, newRequest())); got != "2" {
		t.Errorf("got %q", got)
	}
}

// TestReloadNoFile puts something in a module's place that is no file: it is
// refused and never waited for.
func TestReloadNoFile(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"named pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			path := writeModule(t, responding("0"))
			p, err := b.Load(t.Context(), Spec{Name: "p", Source: path})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			if err := b.ReloadAll(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("reload: %v", err)
			}
			if got := bodyOf(t, decide(t, p, newRequest())); got != "0" {
				t.Errorf("after a refusal got %q", got)
			}
		})
	}
}

// TestReloadAll loads what changed and only that.
func TestReloadAll(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	paths := make([]string, 3)
	for i := range paths {
		paths[i] = writeModule(t, responding("old"))
		if _, err := b.Load(t.Context(), Spec{Name: fmt.Sprint("p", i), Source: paths[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(paths[1], responding("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(paths[2], []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := b.ReloadAll(t.Context())
	if err == nil || !strings.Contains(err.Error(), "plugin p2") || strings.Contains(err.Error(), "plugin p1") {
		t.Errorf("reload: %v", err)
	}
	for i, want := range []uint64{1, 2, 1} {
		if got := b.Plugin(fmt.Sprint("p", i)).Generation(); got != want {
			t.Errorf("p%d is at generation %d, want %d", i, got, want)
		}
	}
}
