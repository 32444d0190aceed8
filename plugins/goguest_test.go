package plugins

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edge/abi"
)

// buildGo compiles the plugin testdata/goguest with the stock toolchain.
func buildGo(t testing.TB) string { return buildGuest(t, "./testdata/goguest") }

// buildGuest compiles a plugin with the stock toolchain.
func buildGuest(t testing.TB, folder string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, folder)
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	return out
}

// TestGoGuest runs a module that the stock Go toolchain made.
func TestGoGuest(t *testing.T) {
	t.Parallel()
	path := buildGo(t)
	b := newBench(t, Config{CacheDir: t.TempDir()})
	p, err := b.Load(t.Context(), Spec{Name: "go", Source: path, MaxInstances: 2})
	if err != nil {
		t.Fatal(err)
	}
	served := func() {
		t.Helper()
		want := fmt.Sprintf("/x%%20y year=%d slept=true random=true env=0 file=false", time.Now().UTC().Year())
		if got := bodyOf(t, decide(t, p, newRequest())); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for range 20 {
		served()
	}
	log := b.book.String()
	if !strings.Contains(log, `msg="hello from init"`) || !strings.Contains(log, `msg="served /x%20y"`) || !strings.Contains(log, "stream=stderr") {
		t.Errorf("log:\n%s", log)
	}
	for _, path := range []string{"/panic", "/exit", "/grow"} {
		r := newRequest()
		r.Path = path
		_, err := p.Decide(t.Context(), r)
		wantCode(t, err, abi.CodePluginFailed)
		served()
	}
	if log := b.book.String(); !strings.Contains(log, "panic: on purpose") || !strings.Contains(log, "proc_exit(3)") {
		t.Errorf("log:\n%s", log)
	}
	report, err := b.check(t.Context(), Spec{Name: "go", Source: path})
	if err != nil || report.Refusal != "" || !slices.Contains(report.Imports, "edge1.respond") || !slices.Contains(report.Exports, "_initialize") {
		t.Errorf("report %+v, %v", report, err)
	}
	if said, err := Check(t.Context(), path); err != nil || !slices.Contains(said.Output, "hello from init") {
		t.Errorf("output %q, %v", said.Output, err)
	}
	if st, err := os.Stat(path); err != nil || int64(report.Size) != st.Size() {
		t.Errorf("size %d", report.Size)
	}
}
