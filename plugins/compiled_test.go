package plugins

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// compiledModules are the folders with machine code, those that were used last first.
func compiledModules(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, compiledName))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]time.Time{}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		used[e.Name()] = info.ModTime()
		names = append(names, e.Name())
	}
	slices.SortFunc(names, func(a, b string) int { return used[b].Compare(used[a]) })
	return names
}

// TestCompiledIsBounded keeps the machine code of the modules that were used last.
func TestCompiledIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(module string) {
		t.Helper()
		cache, err := compiledCache(dir, []byte(module))
		if err != nil {
			t.Fatal(err)
		}
		if err := cache.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	open("often")
	often := compiledModules(t, dir)[0]
	for i := range maxCompiled + 10 {
		open(fmt.Sprint(i))
		age(t, filepath.Join(dir, compiledName))
		open("often")
	}
	if kept := compiledModules(t, dir); len(kept) != maxCompiled || kept[0] != often {
		t.Errorf("%d modules are kept, want %d, the one that is used often among them", len(kept), maxCompiled)
	}
}

// TestCompiledIsShared has many compile the same modules in one folder at once, as
// processes do that know nothing of each other.
func TestCompiledIsShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 10 {
				p, err := newProgram(t.Context(), responding(fmt.Sprint(i)), programOptions{cacheDir: dir, memory: 16 * wasmPage, stopBy: byFuel})
				if err != nil || p.cache == nil {
					t.Errorf("module %d: %v, in a folder: %t", i, err, p.cache != nil)
				}
				p.close()
			}
		})
	}
	wg.Wait()
	files, err := filepath.Glob(filepath.Join(dir, compiledName, "*", "*", "*"))
	if err != nil || len(files) != 10 {
		t.Errorf("%d files of machine code, %v, want 10: %q", len(files), err, files)
	}
}
