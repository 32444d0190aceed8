package plugins

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edge/plugins/meter"
)

// TestMetered has metered code be kept, and made anew where what was kept is not it.
func TestMetered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code := responding("x")
	digest := sha256.Sum256(code)
	want, err := meter.Rewrite(code, meterOptions())
	if err != nil {
		t.Fatal(err)
	}
	get := func(code []byte) []byte {
		t.Helper()
		b, err := metered(dir, digest, code, meterOptions())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(get(code), want) || !bytes.Equal(get([]byte("what is kept counts")), want) {
		t.Fatal("another module")
	}
	other := meterOptions()
	other.Quantum = 7
	if b, err := metered(dir, digest, code, other); err != nil || bytes.Equal(b, want) {
		t.Errorf("other options make the same: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, meteredName, "*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for name, content := range map[string][]byte{"changed": append(make([]byte, sha256.Size), want...), "cut short": want[:10], "empty": nil} {
		for _, f := range files {
			if err := os.WriteFile(f, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(get(code), want) {
			t.Errorf("%s: another module", name)
		}
	}
	if _, err := metered(dir, sha256.Sum256(nil), []byte("none"), meterOptions()); err == nil {
		t.Error("no error for what is no module")
	}
}

// TestMeteredIsBounded keeps the files that were used last.
func TestMeteredIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := 0
	add := func() {
		t.Helper()
		made++
		if _, err := metered(dir, sha256.Sum256(fmt.Append(nil, made)), responding("x"), meterOptions()); err != nil {
			t.Fatal(err)
		}
	}
	for range maxMetered + 10 {
		add()
	}
	age(t, filepath.Join(dir, meteredName))
	add()
	if files, _ := filepath.Glob(filepath.Join(dir, meteredName, "*")); len(files) != maxMetered {
		t.Errorf("%d files are kept, want %d", len(files), maxMetered)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := metered(file, sha256.Sum256(nil), responding("x"), meterOptions()); err != nil || len(b) == 0 {
		t.Errorf("without a folder: %v", err)
	}
}

// age has the entries of a folder be used last two days ago.
func age(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * pruneAfter)
	for _, e := range entries {
		if err := os.Chtimes(filepath.Join(dir, e.Name()), old, old); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPrune keeps what may be needed at once, as long as it is not far too much.
func TestPrune(t *testing.T) {
	t.Parallel()
	const keep = 3
	for name, tt := range map[string]struct{ old, used, want int }{
		"few":              {old: 2, want: 2},
		"all of this day":  {used: 10, want: 10},
		"some older":       {old: 4, used: 6, want: 6},
		"old ones to keep": {old: 4, used: 1, want: keep},
		"far too many":     {used: maxCrowd*keep + 5, want: maxCrowd * keep},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			add := func(kind string, n int) {
				for i := range n {
					if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(kind, i), "within"), 0o700); err != nil {
						t.Fatal(err)
					}
				}
			}
			add("old", tt.old)
			age(t, dir)
			add("used", tt.used)
			prune(dir, keep)
			used, _ := filepath.Glob(filepath.Join(dir, "used*"))
			all, _ := filepath.Glob(filepath.Join(dir, "*"))
			if len(all) != tt.want || len(used) != min(tt.used, tt.want) {
				t.Errorf("%d are kept, %d of them used today; want %d", len(all), len(used), tt.want)
			}
		})
	}
}
