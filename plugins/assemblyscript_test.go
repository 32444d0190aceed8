package plugins

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"edge/abi"
)

// buildAssemblyScript compiles testdata/assemblyscript.
func buildAssemblyScript(t testing.TB, args ...string) string {
	t.Helper()
	return compileAssemblyScript(t, "testdata/assemblyscript", args...)
}

// compileAssemblyScript compiles a guest with the compiler that the repository's
// package.json pins.
func compileAssemblyScript(t testing.TB, folder string, args ...string) string {
	t.Helper()
	compiler, err := filepath.Abs("../node_modules/assemblyscript/bin/asc.js")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := os.Stat(compiler)
	_, err = exec.LookPath("node")
	needToolchain(t, err == nil && missing == nil, "node, and the AssemblyScript compiler: npm ci in the repository's root")
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "node", append([]string{compiler, "--config", "asconfig.json", "-o", out}, args...)...)
	cmd.Dir = folder
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("asc: %v\n%s", err, text)
	}
	return out
}

func echoing(_ context.Context, _ string, body []byte) ([]byte, error) {
	return json.Marshal(abi.ExecResponse{Success: true, Stdout: string(body)})
}

// TestAssemblyScript runs a module made with the AssemblyScript SDK, which takes
// seconds to compile.
func TestAssemblyScript(t *testing.T) {
	t.Parallel()
	source := buildAssemblyScript(t)
	for _, tt := range []struct {
		name string
		test func(t *testing.T, source string)
	}{
		{"decisions", testAssemblyScriptDecisions}, {"json", testAssemblyScriptJSON},
		{"text", testAssemblyScriptText}, {"memory", testAssemblyScriptMemory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t, source)
		})
	}
}

// testAssemblyScriptDecisions looks at what the guest decides, and what becomes of
// what it throws.
func testAssemblyScriptDecisions(t *testing.T, source string) {
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

// testAssemblyScriptJSON has the SDK's reader and writer take values apart and put
// them together, and compares them with encoding/json.
func testAssemblyScriptJSON(t *testing.T, source string) {
	b := newBench(t, Config{})
	p, err := b.Load(t.Context(), Spec{Name: "as", Source: source, MaxInstances: 1})
	if err != nil {
		t.Fatal(err)
	}
	cases := []string{
		``, ` `, `{}`, ` [ ] `, `null`, `true`, `tru`, `truex`, `0`, `-0`, `00`, `-`, `1.`, `.5`, `1.5e3`, `1e`, `1E+2`, `-12.25`, `123456789012345`, `+1`,
		`""`, `"`, `"a`, `"\"`, `"\\"`, `"\q"`, `"\u00e9\ud83d\ude00\/\b\f\n\r\t"`, `"\ud800"`, `"\udc00\ud800x"`, `"\u12"`, `"é😀"`, "\"\x01\"", "\"\x7f\"", "\"\t\"",
		`{"a":1,"b":[true,false,null,{"c":"d"}],"":"e"}`, `{"a" : 1 , "a":2}`, `{"\u0061":"x"}`, `{a:1}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `{"a":1]`, `1 2`,
		strings.Repeat("[", 60) + strings.Repeat("]", 60), strings.Repeat("[", 70) + strings.Repeat("]", 70), `{"long":"` + strings.Repeat("xé\\n", 2000) + `"}`,
	}
	for _, text := range cases {
		r := newRequest()
		r.Path, r.Body = "/json", strings.NewReader(text)
		d, err := p.Decide(t.Context(), r)
		if err != nil {
			t.Errorf("%.60q: %v", text, err)
			continue
		}
		var want any
		valid := json.Unmarshal([]byte(text), &want) == nil && strings.Count(text, "[") <= 64
		if got := d.(*abi.Respond); (got.Status == 200) != valid {
			t.Errorf("%.60q: status %d, valid %t", text, got.Status, valid)
		} else if valid {
			var back any
			if err := json.Unmarshal(got.Body, &back); err != nil || !reflect.DeepEqual(back, want) {
				t.Errorf("%.60q came back as %.60q (%v)", text, got.Body, err)
			}
		}
	}
}

// testAssemblyScriptText sends texts through the SDK's UTF-8 and back: what is no
// character becomes U+FFFD, byte by byte, as in Go.
func testAssemblyScriptText(t *testing.T, source string) {
	b := newBench(t, Config{})
	p, err := b.Load(t.Context(), Spec{Name: "as", Source: source, MaxInstances: 1})
	if err != nil {
		t.Fatal(err)
	}
	cases := []string{"", "plain text, longer than eight", "é", "aé😀z\x00", "\xff", "a\xc3", "\xc3(", "\xe2\x82", "\xe2\x82\xac", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf8abcd", "\x80\x80", strings.Repeat("ä", 5000) + "\xe9t\xe9"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = byte([...]int{0x41, 0x80, 0xbf, 0xc3, 0xe2, 0xed, 0xa0, 0xf0, 0x9f, 0xf4}[random.IntN(10)])
		}
		cases = append(cases, string(b))
	}
	for _, text := range cases {
		r := newRequest()
		r.Path, r.Body = "/text", strings.NewReader(text)
		d, err := p.Decide(t.Context(), r)
		if err != nil {
			t.Fatalf("%.60q: %v", text, err)
		}
		if got, want := bodyOf(t, d), string([]rune(text)); got != want {
			t.Errorf("%.60q came back as %.60q", text, got)
		}
	}
}

// testAssemblyScriptMemory serves 20,000 requests from one instance, most of which
// leave garbage: its memory stops growing early.
func testAssemblyScriptMemory(t *testing.T, source string) {
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
