package source

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestNatural(t *testing.T) {
	t.Parallel()
	want := []string{
		"1.wasm", "2.wasm", "10.wasm", "a.wasm", "a-1.wasm", "a-2.wasm", "a-10.wasm", "v1.wasm", "v1-rc1.wasm", "v1.2.wasm", "v1.9.9.wasm",
		"v1.10.0.wasm", "v01.10.1.wasm", "v9.wasm", "v10.wasm", "v99999999999999999999.wasm", "v100000000000000000000.wasm",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, natural)
	if !slices.Equal(got, want) {
		t.Errorf("order\n%q\nwant\n%q", got, want)
	}
}

// TestNaturalIsAnOrder wants names of any kind to be in one order.
func TestNaturalIsAnOrder(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[0-9av.-]{0,6}(\.wasm)?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := name.Draw(t, "a"), name.Draw(t, "b"), name.Draw(t, "c")
		if natural(a, b) != -natural(b, a) || (natural(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q: %d and %d", a, b, natural(a, b), natural(b, a))
		}
		if natural(a, b) <= 0 && natural(b, c) <= 0 && natural(a, c) > 0 {
			t.Fatalf("%q, %q and %q go round", a, b, c)
		}
	})
}

func TestVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := NewVersions(dir)
	if _, err := s.Look(t.Context()); !errors.Is(err, ErrNoModule) {
		t.Errorf("of an empty folder: %v", err)
	}
	put := func(name, text string) { write(t, filepath.Join(dir, name), text) }
	put("v9.wasm", string(module("nine")))
	put("v10.wasm", string(module("ten")))
	put("v11.wasm", "") // somebody has just begun to write it
	put(".v12.wasm", "hidden")
	put("v13.txt", "no module")
	if err := os.Mkdir(filepath.Join(dir, "v14.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "v15.wasm"), 0o600); err != nil {
		t.Fatal(err)
	}
	ten, m, err := fetched(t.Context(), s)
	if err != nil || string(m.Bytes) != string(module("ten")) || m.Origin != filepath.Join(dir, "v10.wasm") || m.Signature != nil {
		t.Errorf("%+v, %v", m, err)
	}
	signature := strings.Repeat("s", 64)
	for _, text := range []string{signature, base64.StdEncoding.EncodeToString([]byte(signature)) + "\n"} {
		put("v10.wasm.sig", text)
		v, m, err := fetched(t.Context(), s)
		if err != nil || string(m.Signature) != signature || v == ten {
			t.Errorf("version %q, signature %q, %v", v, m.Signature, err)
		}
	}
	put("v10.wasm.sig", "short")
	if _, _, err := fetched(t.Context(), s); err == nil || !strings.Contains(err.Error(), "it is no signature") {
		t.Errorf("error %v", err)
	}
	if _, err := s.Fetch(t.Context(), ten); err == nil {
		t.Error("a version that is gone was fetched")
	}
	if err := os.Remove(filepath.Join(dir, "v10.wasm")); err != nil {
		t.Fatal(err)
	}
	if _, m, err := fetched(t.Context(), s); err != nil || string(m.Bytes) != string(module("nine")) {
		t.Errorf("without the newest: %q, %v", m.Bytes, err)
	}
	large, err := os.Create(filepath.Join(dir, "v20.wasm"))
	if err == nil {
		err = errors.Join(large.Truncate(MaxModuleBytes+1), large.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := fetched(t.Context(), s); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}
