package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience bounds waiting for events. Under the race detector a module of Go takes half
// a minute to compile on a busy machine.
const patience = 2 * time.Minute

// watchTree watches {dir}/src as "app" and {dir}/one.wasm as "one" until the
// test ends.
func watchTree(t *testing.T) (dir string, changes <-chan change) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"src/sub", "src/.git", "src/node_modules", "src/state", "lib"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w, err := newSourceWatcher(filepath.Join(dir, "src/state"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]watchedSource{
		"app":   {trees: []string{filepath.Join(dir, "src")}, folders: []string{filepath.Join(dir, "lib")}},
		"one":   {files: []string{filepath.Join(dir, "one.wasm")}},
		"fence": {files: []string{filepath.Join(dir, "fence")}},
	} {
		if err := w.set(name, s); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan change)
	var wg sync.WaitGroup
	wg.Go(func() { w.run(ctx, out) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return dir, out
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(time.Now().String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// await collects names until want has come.
func await(t *testing.T, changes <-chan change, want string) []string {
	t.Helper()
	var got []string
	bound := time.After(patience)
	for !slices.Contains(got, want) {
		select {
		case c := <-changes:
			got = append(got, c.names...)
		case <-bound:
			t.Fatalf("no change of %q came, only %v", want, got)
		}
	}
	return got
}

func TestWatchTellsWhatChanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, name string }{
		{"src/main.go", "app"}, {"src/sub/page.html", "app"}, {"lib/lib.go", "app"}, {"one.wasm", "one"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			dir, changes := watchTree(t)
			touch(t, filepath.Join(dir, tt.file))
			if got := await(t, changes, tt.name); len(got) != 1 {
				t.Errorf("changes = %v, want %s alone", got, tt.name)
			}
		})
	}
}

func TestWatchPassesOverWhatIsNoSource(t *testing.T) {
	t.Parallel()
	dir, changes := watchTree(t)
	for _, file := range []string{
		"src/.git/index", "src/node_modules/x.js", "src/out.wasm", "src/main_test.go", "src/main.go~", "src/.main.go.swp", "src/state/state.db", "src/edge.log", "other.wasm",
	} {
		touch(t, filepath.Join(dir, file))
	}
	touch(t, filepath.Join(dir, "fence"))
	if got := await(t, changes, "fence"); len(got) != 1 {
		t.Errorf("changes = %v, want fence alone", got)
	}
}

func TestWatchFollowsNewFolders(t *testing.T) {
	t.Parallel()
	dir, changes := watchTree(t)
	fresh := filepath.Join(dir, "src/new/deep")
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		t.Fatal(err)
	}
	await(t, changes, "app")
	touch(t, filepath.Join(fresh, "x.go"))
	await(t, changes, "app")
}

func TestWatchSeesReplacedFiles(t *testing.T) {
	t.Parallel()
	dir, changes := watchTree(t)
	touch(t, filepath.Join(dir, "tmp"))
	for range 2 {
		touch(t, filepath.Join(dir, "tmp"))
		if err := os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "one.wasm")); err != nil {
			t.Fatal(err)
		}
		await(t, changes, "one")
	}
}

// TestWatchKeepsWhatNobodyTakes changes two sources while nobody receives.
func TestWatchKeepsWhatNobodyTakes(t *testing.T) {
	t.Parallel()
	dir, changes := watchTree(t)
	touch(t, filepath.Join(dir, "src/main.go"))
	touch(t, filepath.Join(dir, "one.wasm"))
	first := await(t, changes, "one")
	if !slices.Contains(first, "app") {
		await(t, changes, "app")
	}
}
