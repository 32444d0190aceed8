package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newArchive(t testing.TB, dir string) *Archive {
	t.Helper()
	return Open(dir, "p", slog.New(slog.DiscardHandler))
}

func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

func rewrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestArchiveBounds writes more than is kept.
func TestArchiveBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newArchive(t, dir)
	for i := range 3*maxHistory + 7 {
		a.Add(Entry{Kind: "refused", Generation: uint64(i), Why: strings.Repeat("é", maxWhy)})
		a.Isolate(fmt.Sprintf("%064d", i), "it failed")
		if i%10 == 0 {
			a.Flush()
		}
	}
	a.Flush()
	check := func(a *Archive) {
		t.Helper()
		entries := a.Entries()
		if n := len(entries); n != maxHistory || entries[n-1].Generation != 3*maxHistory+6 {
			t.Errorf("%d entries, the last %+v", n, entries[n-1].Generation)
		}
		if !slices.IsSortedFunc(entries, func(a, b Entry) int { return int(a.Generation) - int(b.Generation) }) {
			t.Error("the history is not in order")
		}
		if q := a.Quarantine(); len(q) != maxQuarantined || q[0].Digest == fmt.Sprintf("%064d", 0) {
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
	digests := make([]string, MaxModules+3)
	for i := range digests {
		m := Module{Bytes: fmt.Appendf(nil, "module %d", i), Signature: make([]byte, 64)}
		digests[i] = digestOf(m.Bytes)
		if !a.Keep(digests[i], m) {
			t.Fatal("a module is not kept")
		}
		at := time.Now().Add(time.Duration(i-20) * time.Minute)
		if err := os.Chtimes(a.modulePath(digests[i]), at, at); err != nil {
			t.Fatal(err)
		}
		rewrite(t, left, nil)
	}
	a.Touch(digests[4]) // it serves again
	a.Keep(digests[0], Module{Bytes: []byte("module 0")})
	got := a.Modules()
	if want := []string{digests[0], digests[4], digests[7], digests[6], digests[5]}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	files, err := os.ReadDir(filepath.Join(a.dir, "modules"))
	if err != nil || len(files) != 2*MaxModules-1 { // the one that was kept again has no signature
		t.Errorf("%d files (%v)", len(files), err)
	}
	for _, f := range files {
		if st, err := f.Info(); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), st.Mode(), err)
		}
	}
	if m, err := a.Module(digests[6]); err != nil || string(m.Bytes) != "module 6" || len(m.Signature) != 64 {
		t.Errorf("module %+v, %v", m, err)
	}
	rewrite(t, a.modulePath(digests[6]), []byte("module X"))
	if _, err := a.Module(digests[6]); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a broken module: %v", err)
	}
	if _, err := a.Module(digests[1]); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("a module that is gone: %v", err)
	}
}

// FuzzArchive opens what may lie in a state folder; what was read is written and
// read again.
func FuzzArchive(f *testing.F) {
	f.Add([]byte(`{"pin":{"digest":"a","over":"b"},"quarantine":[{"digest":"c","since":"2026-01-02T03:04:05Z","why":"x"}]}`), []byte("{}\n{\"kind\":\"loaded\"}\n"))
	f.Add([]byte("null"), []byte("null\n1\n"))
	f.Add([]byte("Kull"), []byte("null"))
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
		a.Add(Entry{Kind: "loaded"})
		a.Isolate("d", "y")
		a.Flush()
		b := newArchive(t, dir)
		if got, want := len(b.Entries()), len(a.Entries()); got != want || len(b.Quarantine()) != len(a.Quarantine()) {
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

// TestUnfitFiles has files in the archive that it did not write.
func TestUnfitFiles(t *testing.T) {
	t.Parallel()
	bytes := []byte("module")
	folder := func(t *testing.T, path string) {
		t.Helper()
		if err := errors.Join(removeFile(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		put       func(t *testing.T, module string)
		signature bool // is to blame
		why       string
	}{
		"a folder for the module": {folder, false, "is not a regular file"},
		"a folder for the signature": {
			func(t *testing.T, module string) { folder(t, module+signatureSuffix) }, true, "is not a regular file",
		},
		"a large signature": {
			func(t *testing.T, module string) { rewrite(t, module+signatureSuffix, make([]byte, maxSignature+1)) },
			true, "it is larger than 256 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArchive(t, t.TempDir())
			digest := digestOf(bytes)
			if !a.Keep(digest, Module{Bytes: bytes}) {
				t.Fatal("the module is not kept")
			}
			tt.put(t, a.modulePath(digest))
			_, err := a.Module(digest)
			var unfit *UnfitError
			if !errors.As(err, &unfit) || errors.Is(err, ErrSignature) != tt.signature || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestWithoutFolder remembers all but the modules.
func TestWithoutFolder(t *testing.T) {
	t.Parallel()
	a := Open("", "p", nil)
	a.Add(Entry{Kind: "loaded"})
	a.Isolate("d", "it failed")
	a.SetPin(Pin{Digest: "x", Over: "y", Canary: true})
	if a.Keep("d", Module{}) || a.Modules() != nil {
		t.Error("a module is kept")
	}
	if _, err := a.Module("d"); err == nil || !strings.Contains(err.Error(), "no modules are kept") {
		t.Errorf("module: %v", err)
	}
	a.Flush()
	if e := a.Entries(); len(e) != 1 || e[0].Kind != "loaded" || e[0].Time.IsZero() {
		t.Errorf("history %+v", e)
	}
	if q, bad := a.Isolated("d"); !bad || q.Why != "it failed" || q.Since.IsZero() {
		t.Errorf("quarantine %+v, %v", q, bad)
	}
	if !a.Readmit("d") || a.Readmit("d") {
		t.Error("it is in quarantine once")
	}
	if digest, canary := a.Front("y"); digest != "x" || !canary {
		t.Errorf("%q in front, %v", digest, canary)
	}
	if digest, _ := a.Front("z"); digest != "" {
		t.Errorf("%q in front of another content", digest)
	}
	a.SetPin(Pin{Digest: "y", Over: "y"})
	if digest, _ := a.Front("y"); digest != "" {
		t.Errorf("%q in front of itself", digest)
	}
}
