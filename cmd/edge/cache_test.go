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
}

// TestPrivateCacheOfAnother takes no folder that is another user's, nor one that another
// user's link leads to, whose mode stays as it is.
func TestPrivateCacheOfAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs, link := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs"), filepath.Join(dir, "link")
	for _, path := range []string{ours, theirs} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	if got := privateCache(link); got != link {
		t.Errorf("the user's own link is not taken: %q", got)
	}
	if os.Geteuid() != 0 {
		t.Log("the rest is not tested: only root can give files away")
		return
	}
	if err := os.Chmod(ours, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{theirs, link} {
		if err := os.Lchown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if got := privateCache(path); got != "" {
			t.Errorf("what is another user's is taken: %q", got)
		}
	}
	if st, err := os.Stat(ours); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("behind another user's link: %v, %v", st, err)
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
