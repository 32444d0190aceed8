package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
)

func TestInstallEmbeddedInit(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	embedded := fstest.MapFS{"assets/init-linux-" + runtime.GOARCH: {Data: []byte("the init")}}
	first, err := installInit(embedded, state, "/no/such/executable")
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Args) != 0 {
		t.Errorf("args = %q, want none", first.Args)
	}
	checkExecutable(t, first.Path, "the init")

	// A second start finds it and leaves it alone.
	before, err := os.Stat(first.Path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := installInit(embedded, state, "")
	if err != nil || second.Path != first.Path {
		t.Fatalf("second install = %+v, %v; want %s again", second, err, first.Path)
	}
	after, err := os.Stat(second.Path)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was written anew (%v)", err)
	}

	// Another init gets another name; what containers mount stays.
	embedded["assets/init-linux-"+runtime.GOARCH].Data = []byte("a newer init")
	third, err := installInit(embedded, state, "")
	if err != nil || third.Path == first.Path {
		t.Fatalf("third install = %+v, %v; want another path", third, err)
	}
	checkExecutable(t, first.Path, "the init")
	checkExecutable(t, third.Path, "a newer init")
}

func TestInstallRepairsAShortFile(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	embedded := fstest.MapFS{"assets/init-linux-" + runtime.GOARCH: {Data: []byte("the init")}}
	p, err := installInit(embedded, state, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Path, []byte("the"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := installInit(embedded, state, ""); err != nil {
		t.Fatal(err)
	}
	checkExecutable(t, p.Path, "the init")
}

func TestInstallItselfWithoutAnEmbeddedInit(t *testing.T) {
	t.Parallel()
	exe := filepath.Join(t.TempDir(), "edge")
	if err := os.WriteFile(exe, []byte("the edge"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := installInit(fstest.MapFS{"assets/README.md": {}}, t.TempDir(), exe)
	if runtime.GOOS != "linux" {
		if !errors.Is(err, errNoInit) {
			t.Errorf("err = %v, want errNoInit", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Args, []string{"init"}) {
		t.Errorf("args = %q", p.Args)
	}
	checkExecutable(t, p.Path, "the edge")
}

func checkExecutable(t *testing.T, path, content string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != content {
		t.Fatalf("%s holds %q (%v), want %q", path, b, err, content)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("%s has mode %v (%v)", path, st.Mode(), err)
	}
}
