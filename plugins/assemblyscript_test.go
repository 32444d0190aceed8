package plugins

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"edge/abi"
)

// buildAssemblyScript compiles testdata/assemblyscript with the compiler that the
// repository's package.json pins.
func buildAssemblyScript(t testing.TB, args ...string) string {
	t.Helper()
	compiler, err := filepath.Abs("../node_modules/assemblyscript/bin/asc.js")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := os.Stat(compiler)
	if _, err := exec.LookPath("node"); err != nil || missing != nil {
		const why = "no AssemblyScript compiler: this needs node, and npm ci in the repository's root"
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "node", append([]string{compiler, "--config", "asconfig.json", "-o", out}, args...)...)
	cmd.Dir = "testdata/assemblyscript"
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("asc: %v\n%s", err, text)
	}
	return out
}

func echoing(_ context.Context, _ string, body []byte) ([]byte, error) {
	return json.Marshal(abi.ExecResponse{Success: true, Stdout: string(body)})
}

// TestAssemblyScriptGuest runs a module made with the AssemblyScript SDK: what it
// decides, and what becomes of what it throws.
func TestAssemblyScriptGuest(t *testing.T) {
	t.Parallel()
	source := buildAssemblyScript(t)
	b := newBench(t, Config{Services: Services{Operations: operateFunc(echoing)}})
	p, err := b.Load(t.Context(), Spec{Name: "as", Source: source, MaxInstances: 1})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) (abi.Decision, error) {
		r := newRequest()
		r.Path = path
		return p.Decide(t.Context(), r)
	}
	d, err := ask("/exec")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"sandbox":{"binding":"Sandbox","id":"one"},"command":"echo a","timeout":5000}`
	if got := bodyOf(t, d); got != want {
		t.Errorf("the operation was %s, want %s", got, want)
	}
	_, err = ask("/throw")
	wantCode(t, err, abi.CodePluginFailed)
	if log := b.book.String(); !strings.Contains(log, "on purpose at index.ts:") {
		t.Errorf("the log does not say what was thrown and where:\n%s", log)
	}
	if d, err = ask("/"); err != nil || bodyOf(t, d) != "a" {
		t.Errorf("after a throw: %v, %v", d, err)
	}
}

// TestAssemblyScriptMemory serves 20,000 requests from one instance, most of which
// leave garbage: its memory stops growing early.
func TestAssemblyScriptMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short")
	}
	source := buildAssemblyScript(t)
	b := newBench(t, Config{Services: Services{Operations: operateFunc(echoing)}})
	p, err := b.Load(t.Context(), Spec{Name: "as", Source: source, MaxInstances: 1, Memory: 8 << 20, Deadline: patience})
	if err != nil {
		t.Fatal(err)
	}
	const requests = 20000
	paths := []string{"/", "/exec", "/", "/exec"}
	for i := range requests {
		r := newRequest()
		r.Path = paths[i%len(paths)]
		if i%100 == 0 {
			r.Path = "/garbage"
		}
		if i%1000 == 0 {
			r.Path = "/grow"
		}
		if _, err := p.Decide(t.Context(), r); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	// 8 MiB hold everything the guest ever makes for some 2,000 requests. One that
	// got here did not keep it.
	if log := b.book.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("log:\n%s", log)
	}
}

// BenchmarkDecideAssemblyScript is one decision of a guest made with the
// AssemblyScript SDK: a field, a header and an answer; and one that asks a sandbox.
func BenchmarkDecideAssemblyScript(b *testing.B) {
	for _, runtime := range []string{"incremental", "minimal"} {
		for _, path := range []string{"/", "/exec"} {
			b.Run(runtime+path, func(b *testing.B) {
				source := buildAssemblyScript(b, "--runtime", runtime)
				r := newBench(b, Config{Services: Services{Operations: operateFunc(echoing)}})
				p, err := r.Load(b.Context(), Spec{Name: "as", Source: source})
				if err != nil {
					b.Fatal(err)
				}
				req := newRequest()
				req.Path = path
				var before, after syscall.Rusage
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := p.Decide(context.Background(), req); err != nil {
						b.Fatal(err)
					}
				}
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
					b.Fatal(err)
				}
				cpu := after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano()
				b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkLoadAssemblyScript loads a module made with the AssemblyScript SDK from
// the cache.
func BenchmarkLoadAssemblyScript(b *testing.B) {
	source := buildAssemblyScript(b)
	r := newBench(b, Config{CacheDir: b.TempDir()})
	spec := Spec{Name: "p", Source: source}
	if _, err := r.Load(b.Context(), spec); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Load(b.Context(), spec); err != nil {
			b.Fatal(err)
		}
	}
}
