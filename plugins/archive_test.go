package plugins

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newArchive(t testing.TB, dir string) *archive {
	t.Helper()
	return openArchive(dir, "p", slog.New(slog.DiscardHandler))
}

// TestArchiveBounds writes more than is kept.
func TestArchiveBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newArchive(t, dir)
	for i := range 3*maxHistory + 7 {
		a.add(HistoryEntry{Time: now(), Kind: EventRefused, Generation: uint64(i), Why: strings.Repeat("é", maxWhy)})
		a.isolate(fmt.Sprintf("%064d", i), "it failed")
		if i%10 == 0 {
			a.flush()
		}
	}
	a.flush()
	check := func(a *archive) {
		t.Helper()
		entries := a.entries()
		if n := len(entries); n != maxHistory || entries[n-1].Generation != 3*maxHistory+6 {
			t.Errorf("%d entries, the last %+v", n, entries[n-1].Generation)
		}
		if !slices.IsSortedFunc(entries, func(a, b HistoryEntry) int { return int(a.Generation) - int(b.Generation) }) {
			t.Error("the history is not in order")
		}
		if q := a.inQuarantine(); len(q) != maxQuarantined || q[0].Digest == fmt.Sprintf("%064d", 0) {
			t.Errorf("%d in quarantine", len(q))
		}
	}
	check(a)
	check(newArchive(t, dir))
	text, err := os.ReadFile(filepath.Join(dir, "p", "history.jsonl"))
	if lines := strings.Count(string(text), "\n"); err != nil || lines > 2*maxHistory {
		t.Errorf("the file has %d lines (%v)", lines, err)
	}
}

// TestArchiveModules keeps the modules that served last, with their signatures,
// and does not hand out a broken one.
func TestArchiveModules(t *testing.T) {
	t.Parallel()
	a := newArchive(t, t.TempDir())
	left := filepath.Join(a.dir, "modules", temporary+"crash")
	digests := make([]string, keptModules+3)
	for i := range digests {
		m := Module{Bytes: fmt.Appendf(nil, "module %d", i), Signature: make([]byte, 64)}
		digests[i] = digestOf(m.Bytes)
		if !a.keep(digests[i], m) {
			t.Fatal("a module is not kept")
		}
		at := time.Now().Add(time.Duration(i-20) * time.Minute)
		if err := os.Chtimes(a.modulePath(digests[i]), at, at); err != nil {
			t.Fatal(err)
		}
		rewrite(t, left, nil)
	}
	a.touch(digests[4]) // it serves again
	a.keep(digests[0], Module{Bytes: []byte("module 0")})
	var got []string
	for _, k := range a.modules() {
		got = append(got, k.digest)
	}
	if want := []string{digests[0], digests[4], digests[7], digests[6], digests[5]}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	files, err := os.ReadDir(filepath.Join(a.dir, "modules"))
	if err != nil || len(files) != 2*keptModules-1 { // the one that was kept again has no signature
		t.Errorf("%d files (%v)", len(files), err)
	}
	for _, f := range files {
		if st, err := f.Info(); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), st.Mode(), err)
		}
	}
	if m, err := a.module(digests[6]); err != nil || string(m.Bytes) != "module 6" || len(m.Signature) != 64 {
		t.Errorf("module %+v, %v", m, err)
	}
	rewrite(t, a.modulePath(digests[6]), []byte("module X"))
	if _, err := a.module(digests[6]); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a broken module: %v", err)
	}
	if _, err := a.module(digests[1]); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("a module that is gone: %v", err)
	}
}

// TestBrokenState starts a plugin with state files that are no good: it is loaded
// all the same, and what is good in them is used.
func TestBrokenState(t *testing.T) {
	t.Parallel()
	good := `{"time":"2026-01-02T03:04:05Z","kind":"loaded","generation":7}`
	for name, put := range map[string]func(t *testing.T, dir string){
		"state cut short": func(t *testing.T, dir string) { rewrite(t, filepath.Join(dir, "state.json"), []byte(`{"pin":{"dig`)) },
		"history cut short": func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "history.jsonl"), []byte(good+"\n"+good[:20]))
		},
		"history is binary": func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "history.jsonl"), []byte("\x00\xff\n"+good+"\n"))
		},
		"pin without a module": func(t *testing.T, dir string) {
			state := fmt.Sprintf(`{"pin":{"digest":"%064d","over":"%s"}}`, 1, digestOf(responding("file")))
			rewrite(t, filepath.Join(dir, "state.json"), []byte(state))
		},
		"the file in quarantine": func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "state.json"), fmt.Appendf(nil, `{"quarantine":[{"digest":"%s"}]}`, digestOf(responding("file"))))
		},
		"folders for files": func(t *testing.T, dir string) {
			for _, name := range []string{"state.json", "history.jsonl"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a file for the folder of modules": func(t *testing.T, dir string) { rewrite(t, filepath.Join(dir, "modules"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			dir := filepath.Join(state, "p")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			put(t, dir)
			b := newBench(t, Config{StateDir: state})
			p, err := b.Load(t.Context(), Spec{Name: "p", Source: writeModule(t, responding("file")), Secrets: map[string]string{"key": "x"}})
			if err != nil {
				t.Fatal(err)
			}
			if got := bodyOf(t, decide(t, p, newRequest())); got != "file" {
				t.Errorf("got %q", got)
			}
			if !strings.Contains(b.book.String(), "level=WARN") && !strings.Contains(b.book.String(), "level=ERROR") {
				t.Errorf("the log says nothing:\n%s", b.book)
			}
			h := b.History("p")
			if strings.HasPrefix(name, "history") && (len(h) != 2 || h[0].Generation != 7) {
				t.Errorf("history %+v", h)
			}
		})
	}
	blocked := filepath.Join(t.TempDir(), "file")
	rewrite(t, blocked, nil)
	b := newBench(t, Config{StateDir: filepath.Join(blocked, "plugins")})
	b.load(t, responding("x"))
	if !strings.Contains(b.book.String(), "will not be remembered") {
		t.Errorf("log:\n%s", b.book)
	}
}

// FuzzArchive opens what may lie in a state folder; what was read is written and
// read again.
func FuzzArchive(f *testing.F) {
	f.Add([]byte(`{"pin":{"digest":"a","over":"b"},"quarantine":[{"digest":"c","since":"2026-01-02T03:04:05Z","why":"x"}]}`), []byte("{}\n{\"kind\":\"loaded\"}\n"))
	f.Add([]byte("null"), []byte("null\n1\n"))
	f.Fuzz(func(t *testing.T, state, history []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "p"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"state.json": state, "history.jsonl": history} {
			if err := os.WriteFile(filepath.Join(dir, "p", name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := newArchive(t, dir)
		a.add(HistoryEntry{Kind: EventLoaded})
		a.isolate("d", "y")
		a.flush()
		b := newArchive(t, dir)
		if got, want := len(b.entries()), len(a.entries()); got != want || len(b.inQuarantine()) != len(a.inQuarantine()) {
			t.Errorf("%d entries, want %d", got, want)
		}
	})
}

// TestFolderName keeps names apart and inside of the folder.
func TestFolderName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"preview-gate_2": "preview-gate_2", "..": "%2E%2E", "a/b": "a%2Fb"} {
		if got := folderName(name); got != want {
			t.Errorf("%q has the folder %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 300)} {
		if got := folderName(name); len(got) != 65 || strings.ContainsAny(got, "/.") {
			t.Errorf("%q has the folder %q", name, got)
		}
	}
}
