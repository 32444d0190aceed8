package worker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestBuildAgain builds a Worker again and again while what it is made of changes: what
// was remembered of a build is taken only where nothing did.
func TestBuildAgain(t *testing.T) {
	t.Parallel()
	file := write(t, "worker.ts", "import { x } from './lib';\n"+answers, "lib.ts", "export const x = 1;\n")
	dir := filepath.Dir(file)
	b := patient(Config{Engine: builder(t).config.Engine, CacheDir: cacheDir})
	defer b.Close()
	for i, step := range []struct{ file, text, want string }{
		{"lib.ts", "export const x = 2;\n", "2"},
		{"lib.ts", "export const x = 3;\n", "3"}, // as long as before
		{"lib.ts", "export const x = await Promise.resolve(4);\n", "4"},
		{"lib.ts", "export const x = ;\n", ""},
		{"lib.ts", "export const x = 5;\n", "5"},
		{"worker.ts", "import { x } from './more';\n" + answers, ""},
		{"more.ts", "export const x = 6;\n", "6"},
		{"more.js", "export const x = 7;\n", "6"}, // .ts comes first
		{"worker.ts", "import { x } from './lib';\n" + answers, "5"},
	} {
		if err := os.WriteFile(filepath.Join(dir, step.file), []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		built, err := b.Build(t.Context(), file)
		if step.want == "" {
			if source := (*SourceError)(nil); !errors.As(err, &source) {
				t.Errorf("step %d: got %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(i, err)
		}
		fresh := patient(b.config)
		once, err := fresh.Build(t.Context(), file)
		if err := errors.Join(err, fresh.Close()); err != nil {
			t.Fatal(err)
		}
		if string(once.Module) != string(built.Module) {
			t.Errorf("step %d: the module is another one than that of a first build", i)
		}
		if p, log := serve(t, built.Module, nil); ask(t, p, request("/")) != step.want {
			t.Errorf("step %d: want %s; %s", i, step.want, log)
		}
		inputs := []string{"lib.ts", "worker.ts"}
		if step.want == "6" {
			inputs[0] = "more.ts"
		}
		for _, name := range inputs {
			found := false
			for _, input := range built.Inputs {
				found = found || filepath.Base(input) == name
			}
			if !found || len(built.Inputs) != len(inputs) {
				t.Errorf("step %d: the inputs are %q, want %q", i, built.Inputs, inputs)
			}
		}
	}
}

// TestBuildNamesEmptyFiles has a Worker import what has nothing in it.
func TestBuildNamesEmptyFiles(t *testing.T) {
	t.Parallel()
	file := write(t, "worker.ts", "import * as lib from './lib/name';\nimport text from './a.txt';\nconst x = lib + text;\n"+answers, "lib/name.ts", "", "a.txt", "", "unused.ts", "")
	built, err := builder(t).Build(t.Context(), file)
	if want := []string{"a.txt", "lib/name.ts"}; err != nil || !slices.Equal(built.Empty, want) {
		t.Errorf("got %q, %v, want %q", built.Empty, err, want)
	}
}
