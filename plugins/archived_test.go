package plugins

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// TestArchivedModule goes back to a kept version whose files are no good: what is
// wrong with them is told as with a source's.
func TestArchivedModule(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		put  func(t *testing.T, module string)
		step Step
		why  string
	}{
		"a folder for the module": {func(t *testing.T, module string) {
			if err := errors.Join(os.Remove(module), os.Mkdir(module, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, StepRead, "is not a regular file"},
		"a large signature": {func(t *testing.T, module string) {
			rewrite(t, module+signatureSuffix, make([]byte, maxSignatureFile+1))
		}, StepSignature, "its signature: it is larger than 256 bytes"},
		"no signature": {func(t *testing.T, module string) {
			rewrite(t, module+signatureSuffix, []byte("none"))
		}, StepSignature, "its signature is neither 64 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			b := newBench(t, Config{StateDir: state})
			path := writeModule(t, responding("1"))
			p := b.load(t, responding("1"), func(s *Spec) { s.Name, s.Source, s.KeepWarm = "p", path, -1 })
			rewrite(t, path, responding("2"))
			if err := b.ReloadAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			digest := digestOf(responding("1"))
			tt.put(t, filepath.Join(state, "p", "modules", digest+".wasm"))
			err := b.Rollback(t.Context(), "p", digest)
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Step != tt.step || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v", err)
			}
			if got := bodyOf(t, decide(t, p, newRequest())); got != "2" {
				t.Errorf("got %q", got)
			}
		})
	}
}
