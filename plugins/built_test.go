package plugins

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLoadBuilt has modules serve whose file is not written yet, or holds another one.
func TestLoadBuilt(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	b := newBench(t, Config{StateDir: state})
	spec := Spec{Name: "p", Source: filepath.Join(t.TempDir(), "p.wasm"), Secrets: map[string]string{"key": "what newAsm's import needs"}}
	var served []string
	for _, body := range []string{"one", "two"} {
		module := Module{Bytes: responding(body)}
		if module.Digest() != digestOf(module.Bytes) {
			t.Errorf("the digest is %s", module.Digest())
		}
		p, err := b.LoadBuilt(t.Context(), spec, module)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, decide(t, p, newRequest())); got != body || p.Digest() != module.Digest() {
			t.Errorf("%s of %s serves, want %s", got, short(p.Digest()), body)
		}
		served = append(served, p.Digest())
		for _, digest := range served {
			if _, err := os.Stat(filepath.Join(state, "p", "modules", digest+".wasm")); err != nil {
				t.Errorf("it is not kept: %v", err)
			}
		}
		if body == "one" {
			rewrite(t, spec.Source, module.Bytes)
		}
	}
	if s := b.Status()[0]; s.Pinned != "" || s.Source != spec.Source {
		t.Errorf("pinned is %q, the source %q", s.Pinned, s.Source)
	}
	rewrite(t, spec.Source, responding("two"))
	if err := b.ReloadAll(t.Context()); err != nil || b.Status()[0].Generations[0].Number != 2 {
		t.Errorf("the file with what serves is loaded again: %v, %+v", err, b.Status()[0].Generations)
	}

	_, err := b.LoadBuilt(t.Context(), spec, Module{Bytes: []byte("no module")})
	if !errors.Is(err, ErrRefused) || b.Plugin("p").Digest() != served[1] {
		t.Errorf("got %v, and %s serves", err, short(b.Plugin("p").Digest()))
	}
	rewrite(t, spec.Source+signatureSuffix, []byte("no signature"))
	if _, err := b.LoadBuilt(t.Context(), spec, Module{Bytes: responding("three")}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "signature") {
		t.Errorf("with a broken signature: got %v", err)
	}
	if kept := b.Plugin("p").archive.Modules(); !slices.Equal(kept, []string{served[1], served[0]}) {
		t.Errorf("kept are %q", kept)
	}
}
