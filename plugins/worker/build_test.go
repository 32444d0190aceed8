package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"edge/abi"
)

const answers = `export default { fetch() { return new Response(String(x)) } }
`

// TestSourceErrors builds what cannot be built.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, source string
		want         []string // each is in one of the errors, in order
	}{
		{"syntax", "let a = 1;\nlet b = = 2;\n", []string{"worker.ts:2:9: Unexpected \"=\"\n    2 | let b = = 2;\n      |         ^"}},
		{"two", "import a from \"./nix\";\nimport b from \"hono\";\nexport default { fetch() { return new Response(a + b) } }\n", []string{
			`worker.ts:1:15: Could not resolve "./nix": there is no such file`,
			`worker.ts:2:15: Could not resolve "hono": no such package is installed; npm install hono`,
		}},
		{"node", "import { readFile } from \"node:fs/promises\";\nimport crypto from \"crypto\";\nexport default { fetch() { return new Response(readFile + crypto.x) } }\n", []string{
			"worker.ts:1:26: Could not resolve \"node:fs/promises\": it is a module of Node.js, which Workers do not have here; use readFile",
			"worker.ts:2:20: Could not resolve \"crypto\": it is a module of Node.js, which Workers do not have here; use the global crypto",
		}},
		{"node with a digit", "import x from \"node:http2\";\nimport y from \"path/win32\";\nconst z = y;\n" + answers, []string{
			"worker.ts:1:15: Could not resolve \"node:http2\": it is a module of Node.js, which Workers do not have here",
			"worker.ts:2:15: Could not resolve \"path/win32\": it is a module of Node.js, which Workers do not have here; use URL",
		}},
		{"node, required", "const x = require(\"crypto\");\n" + answers, []string{"worker.ts:1:19: Could not resolve \"crypto\": it is a module of Node.js, which Workers do not have here; use the global crypto"}},
		{"wasm", "import x from \"./a.wasm\";\n" + answers, []string{"worker.ts:1:15: Could not resolve \"./a.wasm\": it is WebAssembly: a Worker here cannot import that"}},
		{"cloudflare", "import x from \"cloudflare:sockets\";\n" + answers, []string{"there is cloudflare:workers alone"}},
		{"part of the package", "import x from \"@cloudflare/sandbox/nix\";\n" + answers, []string{"all that there is of it is in @cloudflare/sandbox"}},
		{"no such export", "import { nix } from \"@cloudflare/sandbox\";\nconst x = nix;\n" + answers, []string{"worker.ts:1:10: No matching export in \"edge:@cloudflare/sandbox\" for import \"nix\""}},
		{"unknown kind of file", "import x from \"./a.yaml\";\n" + answers, []string{"a Worker imports .ts, .js and .json, .txt"}},
		{"no default export", "export const x = 1;\n", []string{"worker.ts: the Worker has no default export; want: export default {"}},
		{"no fetch", "const a: string = \"b\";\n\nexport default { fech() {} };\n", []string{"worker.ts:3:1: the Worker's default export has no function fetch(); want"}},
		{"throws", "type A = string;\nfunction early(): never {\n  throw new RangeError(\"too early\");\n}\nconst x = early();\n" + answers, []string{"worker.ts:3:13: RangeError: too early\n    3 |   throw new RangeError(\"too early\");\n      |             ^"}},
		{"a global of others", "const x = 1;\nconst key = process.env.KEY;\n" + answers, []string{"worker.ts:2:13: ReferenceError: process is not defined, and is not there on this edge: variables and secrets are in env"}},
		{"too long beside ours", "import { proxyToSandbox } from \"@cloudflare/sandbox\";\nfor (;;);\nexport default { fetch: proxyToSandbox };\n", []string{"worker.ts: the top level computes for longer than"}},
		{"throws what is no error", "throw \"text\";\n", []string{"worker.ts: text"}},
		{"too long", "const x = 1;\nfor (;;) {}\n" + answers, []string{"the top level computes for longer than"}},
		{"too much", "const x: any[] = [];\nfor (;;) x.push(new Uint8Array(1 << 20));\n" + answers, []string{"the top level takes more than 64 MiB of memory"}},
		{"too much, asynchronously", "const x: any[] = [];\nawait null;\ntry { for (;;) x.push(new Uint8Array(1 << 20)) } catch {}\nfor (;;) x.push({ x });\n" + answers, []string{"the top level takes more than 64 MiB of memory"}},
		{"throws null", "throw null;\n", []string{"worker.ts: the top level throws null"}},
		{"throws null later", "await null;\nthrow null;\nexport default {};\n", []string{"worker.ts: the top level throws null"}},
		{"says that it was interrupted", "throw new Error(\"the call was interrupted\");\n", []string{"worker.ts:1:11: Error: the call was interrupted"}},
		{"says that memory is out", "throw new Error(\"it is out of memory\");\n", []string{"worker.ts:1:11: Error: it is out of memory"}},
		{"awaits for ever", "await new Promise(() => {});\nconst x = 1;\n" + answers, []string{"worker.ts: Error: a top-level await waits for what never comes"}},
		{"throws after an await", "await null;\nthrow new Error(\"late\");\nexport default {};\n", []string{"worker.ts:2:11: Error: late"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := builder(t)
			if strings.HasPrefix(tt.name, "too long") {
				b = hurried(t)
			}
			built, err := b.Build(t.Context(), write(t, "worker.ts", tt.source, "a.yaml", "a: 1\n"))
			var first *SourceError
			if !errors.As(err, &first) || built.Module != nil {
				t.Fatalf("got %d bytes and the error %v, want a SourceError", len(built.Module), err)
			}
			rest := err.Error()
			for _, want := range tt.want {
				i := strings.Index(rest, want)
				if i < 0 {
					t.Fatalf("no %q in\n%s", want, rest)
				}
				rest = rest[i+len(want):]
			}
			if !slices.ContainsFunc(built.Inputs, func(f string) bool { return filepath.Base(f) == "worker.ts" }) {
				t.Errorf("the inputs are %q, without the source", built.Inputs)
			}
		})
	}
}

// TestImports imports what can be imported.
func TestImports(t *testing.T) {
	t.Parallel()
	file := write(t, "src/worker.ts", `
import text from "./a.txt";
import page from "./page.html";
import data from "./data.json";
import bytes from "./raw.bin";
import source from "./late.jsx" with { type: "text" };
import octets from "./raw.bin" with { type: "bytes" };
import { twice } from "@lib/twice";
import { hello } from "greet";
import events from "events";
import Late from "./late.jsx";
const later = await Promise.resolve("later");
export default { async fetch() {
  return new Response([text, page, data.list[1], new Uint8Array(bytes)[2], twice(4), hello("you"), events.made, typeof Late, source.length, octets[1], later, process.env.NODE_ENV].join("|"));
} };
`,
		"src/a.txt", "text", "src/page.html", "<p>", "src/data.json", `{"list": [1, 2]}`, "src/raw.bin", "\x00\x01\xff", "src/late.jsx", "export default () => 1;\n",
		"tsconfig.json", `{"compilerOptions": {"paths": {"@lib/*": ["./lib/*"]}}}`, "lib/twice.ts", "export const twice = (n: number): number => n * 2;\n",
		"package.json", "{}", "node_modules/greet/package.json", `{"name": "greet", "exports": {"workerd": "./worker.js", "node": "./node.js"}}`,
		"node_modules/greet/worker.js", "module.exports.hello = (n) => `hello ${n}`;\n", "node_modules/events/package.json", `{"main": "x.js"}`, "node_modules/events/x.js", "exports.made = 'a package';\n",
	)
	built, err := builder(t).Build(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	p, log := serve(t, built.Module, nil)
	if got, want := ask(t, p, request("/")), "text|<p>|2|255|8|hello you|a package|function|24|1|later|production"; got != want {
		t.Errorf("got %q, want %q; %s", got, want, log)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(file)))
	if err != nil {
		t.Fatal(err)
	}
	var inputs []string
	for _, f := range built.Inputs {
		inputs = append(inputs, relative(dir, f))
	}
	slices.Sort(inputs)
	want := []string{
		"lib/twice.ts", "node_modules/events/x.js", "node_modules/greet/worker.js", "package.json",
		"src/a.txt", "src/data.json", "src/late.jsx", "src/page.html", "src/raw.bin", "src/worker.ts", "tsconfig.json",
	}
	if !slices.Equal(inputs, want) {
		t.Errorf("the inputs are\n%q, want\n%q", inputs, want)
	}
}

// TestOptionalRequire imports a package that can do without a module of Node.js, and one
// that cannot.
func TestOptionalRequire(t *testing.T) {
	t.Parallel()
	file := write(t, "worker.ts", "import { random } from \"either\";\nexport default { fetch() { return new Response(random) } };\n",
		"node_modules/either/package.json", `{"main": "x.js"}`,
		"node_modules/either/x.js", "let crypto;\ntry { crypto = require('node:crypto') } catch { crypto = null }\nexports.random = crypto ? 'of Node' : 'of the platform';\n")
	built, err := builder(t).Build(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	p, log := serve(t, built.Module, nil)
	if got := ask(t, p, request("/")); got != "of the platform" {
		t.Errorf("got %q; %s", got, log)
	}
	_, err = builder(t).Build(t.Context(), write(t, "worker.ts", "import x from \"needs\";\n"+answers, "node_modules/needs/index.js", "module.exports = require(\"v8\");\n"))
	var where *SourceError
	if !errors.As(err, &where) || where.Text != `Error: Could not resolve "v8": it is a module of Node.js, which Workers do not have here` {
		t.Errorf("a package that needs one: %v", err)
	}
}

// TestSameSourceSameModule builds twice, with another Builder and in another folder.
func TestSameSourceSameModule(t *testing.T) {
	t.Parallel()
	source := "import { getSandbox } from \"@cloudflare/sandbox\";\nconst x = [Date.now(), Math.random === undefined, getSandbox.name, new Map([[1, 2]]), Symbol(\"s\")];\n" + answers
	first, err := builder(t).Build(t.Context(), write(t, "worker.ts", source))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := os.ReadFile(engineFile)
	if err != nil {
		t.Fatal(err)
	}
	other := patient(Config{Engine: engine})
	defer other.Close()
	second, err := other.Build(t.Context(), write(t, "worker.ts", source))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Module, second.Module) {
		t.Errorf("modules of %d and %d bytes differ", len(first.Module), len(second.Module))
	}
	if first.Previews || len(first.Warnings) > 0 {
		t.Errorf("previews %v, warnings %q; want neither", first.Previews, first.Warnings)
	}
}

// TestWarnings tells what will not work, and what is asked of previews.
func TestWarnings(t *testing.T) {
	t.Parallel()
	built, err := builder(t).Build(t.Context(), write(t, "worker.ts", `import { DurableObject } from "cloudflare:workers";
import { proxyToSandbox, getSandbox } from "@cloudflare/sandbox";
export class Counter extends DurableObject {}
console.log("built", 1);
export default { async fetch(request: Request, env: any) {
  const x = { a: 1, a: 2 };
  return (await proxyToSandbox(request, env)) ?? new Response(String(new Counter()));
} };
`))
	if err != nil {
		t.Fatal(err)
	}
	if !built.Previews {
		t.Error("proxyToSandbox is not seen")
	}
	for i, want := range []string{"worker.ts:6:21: Duplicate key \"a\"", "DurableObject of cloudflare:workers"} {
		if i >= len(built.Warnings) || !strings.Contains(built.Warnings[i], want) {
			t.Errorf("warnings are %q, want %q", built.Warnings, want)
		}
	}
	if !slices.Equal(built.Said, []string{"built 1"}) {
		t.Errorf("it said %q", built.Said)
	}
}

// TestSaysTooMuch keeps no more than there is room for of what a Worker says.
func TestSaysTooMuch(t *testing.T) {
	t.Parallel()
	built, err := builder(t).Build(t.Context(), write(t, "worker.ts", "for (let i = 0; i < 100; i++) console.log(\"é\".repeat(10000));\nconst x = 1;\n"+answers))
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(built.Said, "\n")
	if len(said) < maxSaid || len(said) > maxSaid+100 || !strings.HasSuffix(said, " ... (the rest of what it says is left out)") || !utf8.ValidString(said) {
		t.Errorf("it said %d bytes in %d lines, which end in %q", len(said), len(built.Said), said[max(0, len(said)-60):])
	}
}

// TestNoEngine says what is missing.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	b := New(Config{})
	defer b.Close()
	if _, err := b.Build(t.Context(), write(t, "worker.ts", answers)); !errors.Is(err, ErrNoEngine) {
		t.Errorf("Build = %v, want ErrNoEngine", err)
	}
	bad := New(Config{Engine: []byte("no engine")})
	defer bad.Close()
	if _, err := bad.Build(t.Context(), write(t, "worker.ts", answers)); err == nil || errors.Is(err, ErrNoEngine) {
		t.Errorf("Build = %v, want what is wrong with the engine", err)
	}
}

// TestEngineIsPinned has modules name the version of the engine that make fetches.
func TestEngineIsPinned(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../package.json")
	if err != nil {
		t.Fatal(err)
	}
	var pins struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &pins); err != nil {
		t.Fatal(err)
	}
	if want := "(quickjs-wasi " + pins.Dependencies["quickjs-wasi"] + ")"; !strings.HasSuffix(quickJSName, want) {
		t.Errorf("modules name %q, want it to end in %q", quickJSName, want)
	}
}

// TestClosed neither builds nor crashes.
func TestClosed(t *testing.T) {
	t.Parallel()
	b := New(Config{Engine: []byte("no engine")})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Build(t.Context(), "worker.ts"); err == nil {
		t.Error("a closed builder builds")
	}
}

// TestCancelled ends a build with its context.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := builder(t).Build(ctx, write(t, "worker.ts", "for (;;) {}\n")); !errors.Is(err, context.Canceled) {
		t.Errorf("Build = %v, want context.Canceled", err)
	}
}

// TestHidden looks for what user code must not see.
func TestHidden(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, `
const names = Object.getOwnPropertyNames(globalThis).filter((n) => n.startsWith("_") || n === "serve" || n === "door" || n === "modules");
export default { fetch() { return new Response(names.join() + typeof __edge + typeof door + typeof modules) } };
`), nil)
	if got := ask(t, p, request("/")); got != "undefinedundefinedundefined" {
		t.Errorf("visible: %s; %s", got, log)
	}
}

// TestRuntimeModules wants the runtime to offer what the bundler resolves.
func TestRuntimeModules(t *testing.T) {
	t.Parallel()
	r, err := bundleRuntime(shim)
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	n := 0
	for name, exports := range r.exports {
		if len(exports) == 0 && name == "@cloudflare/sandbox" {
			t.Errorf("%s exports nothing", name)
		}
		for _, e := range exports {
			n++
			fmt.Fprintf(&source, "import { %s as n%d } from %q;\nif (n%d === undefined) throw new Error(%q);\n", e, n, name, n, name+" has no "+e)
		}
	}
	build(t, source.String()+"const x = 1;\n"+answers)
}

// TestPositionsInLog has errors of imported files name these.
func TestPositionsInLog(t *testing.T) {
	t.Parallel()
	file := write(t, "worker.ts", "import { deep } from \"./lib/deep\";\nexport default { fetch(request: Request) {\n  return deep(request.url);\n} };\n",
		"lib/deep.ts", "interface A { b: string }\n\nexport function deep(a: string): Response {\n  const é = \"é\"; throw new TypeError(a + é);\n}\n")
	built, err := builder(t).Build(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	p, log := serve(t, built.Module, nil)
	if d, err := p.Decide(t.Context(), request("/")); err == nil {
		t.Errorf("decided %v", d)
	} else if e := abi.AsError(err); e.Code != abi.CodePluginFailed {
		t.Errorf("failed as %v", e)
	}
	for _, want := range []string{"deep (lib/deep.ts:4:", "fetch (worker.ts:3:"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}
