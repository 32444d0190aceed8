package plugins

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
	for i := range maxMetered + 10 {
		if _, err := metered(dir, sha256.Sum256(fmt.Append(nil, i)), responding("x"), meterOptions()); err != nil {
			t.Fatal(err)
		}
	}
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
