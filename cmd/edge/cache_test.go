package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestPrivateCache wants a folder for code to be this user's alone, or none.
func TestPrivateCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"open": true, "new/edge": true, "file": false, "file/edge": false} {
		path := filepath.Join(dir, name)
		got := privateCache(path)
		if got != "" != want {
			t.Errorf("%s: got %q", name, got)
		}
		if st, err := os.Stat(path); want && (err != nil || st.Mode().Perm() != 0o700) {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if os.Geteuid() != 0 {
		return // only root can give files away
	}
	theirs := filepath.Join(dir, "theirs")
	if err := os.Mkdir(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if got := privateCache(theirs); got != "" {
		t.Errorf("another user's folder is taken: %q", got)
	}
}

// TestDevSharesCompiledCode has edge dev of two projects find one's compiled code in the
// user's cache, and leave none in their own folders.
func TestDevSharesCompiledCode(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	shared := userCache()
	for range 2 {
		s := startDev(t, "hello")
		s.await(t, `^plugin app \d+ ms `)
		s.url(t)
		if _, err := os.Stat(filepath.Join(s.dir, localState, "cache")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the project has a cache of its own: %v", err)
		}
		if found, err := filepath.Glob(filepath.Join(shared, "compiled", "*")); err != nil || len(found) != 1 {
			t.Errorf("the user's cache has %q, %v, want one module", found, err)
		}
	}
}
