package worker

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"edge/plugins"
	"edge/plugins/worker/link"
)

// TestBaseStore keeps one memory, and takes no damaged one.
func TestBaseStore(t *testing.T) {
	t.Parallel()
	s := baseStore{filepath.Join(t.TempDir(), "[worker")} // no pattern
	one := baseKey([]byte("engine"), link.Script{Name: "a", Source: "b"})
	two := baseKey([]byte("engine"), link.Script{Name: "a", Source: "c"})
	if one == two || s.load(one) != nil {
		t.Fatal("there is something before anything was kept")
	}
	for _, key := range []string{one, two} {
		if err := s.keep(key, []byte("memory of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	if s.load(one) != nil {
		t.Error("two are kept")
	}
	if got := s.load(two); string(got) != "memory of "+two {
		t.Errorf("got %q", got)
	}
	path := filepath.Join(s.dir, two+baseSuffix)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.load(two) != nil {
		t.Error("a damaged one is taken")
	}
	var none baseStore
	if err := none.keep(one, nil); err != nil || none.load(one) != nil {
		t.Error("without a folder something is kept")
	}
}

// TestRuntimeThatIsLate has the runtime take longer than it may: no Worker is to blame.
func TestRuntimeThatIsLate(t *testing.T) {
	t.Parallel()
	b := New(Config{Engine: builder(t).config.Engine})
	defer b.Close()
	b.bounds.runtime = 1
	var source *SourceError
	_, err := b.Build(t.Context(), write(t, "worker.ts", "const x = 1;\n"+answers))
	if !errors.Is(err, errRuntime) || !errors.Is(err, plugins.ErrEvaluateTime) || errors.As(err, &source) {
		t.Errorf("got %v, want the runtime to be named alone", err)
	}
}

// TestBaseIsKept makes the same module with the runtime's memory from a file.
func TestBaseIsKept(t *testing.T) {
	t.Parallel()
	engine, err := os.ReadFile(engineFile)
	if err != nil {
		t.Fatal(err)
	}
	file, dir := write(t, "worker.ts", "const x = 1;\n"+answers), t.TempDir()
	var modules [][]byte
	for range 2 {
		b := patient(Config{Engine: engine, CacheDir: dir})
		built, err := b.Build(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		modules = append(modules, built.Module)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "worker", "*"+baseSuffix))
	if err != nil || len(kept) != 1 {
		t.Errorf("kept are %q, %v", kept, err)
	}
	if !bytes.Equal(modules[0], modules[1]) {
		t.Error("the modules differ")
	}
}
