package worker

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestTraces has a Worker fail by operations, with and without Config.Traces: the log
// names the line that began what failed, and none of the runtime's.
func TestTraces(t *testing.T) {
	t.Parallel()
	const source = `import { getSandbox } from "@cloudflare/sandbox";
async function read(box: any) {
  await null;
  return await box.readFile("/nix");
}
export default { async fetch(request: Request, env: any) {
  const { pathname } = new URL(request.url);
  if (pathname === "/wrong") return 5 as any;
  if (pathname === "/text") await request.json();
  if (pathname === "/nested") throw new TypeError("outer, of inner", { cause: new RangeError("inner") });
  await read(getSandbox(env.Sandbox, "one"));
} };
`
	op := func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		return nil, &abi.Error{Code: abi.CodeFileNotFound, Message: "/nix does not exist", Operation: "readFile", Suggestion: "look with listFiles"}
	}
	traced := patient(Config{Engine: builder(t).config.Engine, CacheDir: cacheDir, Traces: true})
	t.Cleanup(func() { _ = traced.Close() })
	for _, test := range []struct {
		name string
		*Builder
		path, want string
	}{
		{"traced", traced, "/", `Uncaught FileNotFoundError: /nix does not exist; look with listFiles (FILE_NOT_FOUND of readFile)\n    at read (worker.ts:4:`},
		{"not traced", builder(t), "/", `Uncaught FileNotFoundError: /nix does not exist; look with listFiles (FILE_NOT_FOUND of readFile)`},
		{"a cause that was said", traced, "/nested", `Uncaught TypeError: outer, of inner\n    at fetch (worker.ts:10:83)\ncaused by RangeError\n    at fetch (worker.ts:10:`},
		{"a text's place", traced, "/text", `Uncaught SyntaxError: Unexpected end of JSON input\n    at fetch (worker.ts:9:`},
		{"no Response", traced, "/wrong", `did not return a Response, but number`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			built, err := test.Build(t.Context(), write(t, "worker.ts", source))
			if err != nil {
				t.Fatal(err)
			}
			p, log := serve(t, built.Module, op)
			ask(t, p, request(test.path))
			if got := log.String(); !strings.Contains(got, test.want) || strings.Count(got, "edge:runtime") > 1 {
				t.Errorf("the log is\n%s\nwant %s, and one place of the runtime at most", got, test.want)
			}
		})
	}
}

// TestThrowsNull has a Worker throw what the engine itself throws when it has no memory
// for an Error.
func TestThrowsNull(t *testing.T) {
	t.Parallel()
	source := "export default { fetch(r: Request) { if (r.url.endsWith('/late')) return Promise.reject(null); throw null } };\n"
	p, log := serve(t, build(t, source), nil)
	for _, path := range []string{"/", "/late"} {
		if got := ask(t, p, request(path)); got != "error PLUGIN_FAILED: the Worker threw an exception" || !strings.Contains(log.String(), `"Uncaught null"`) {
			t.Errorf("%s: got %s; log:\n%s", path, got, log)
		}
	}
}

// TestTellsTheDeveloper has a Worker throw under its developer's eyes, who is told what
// and where, and nobody else is.
func TestTellsTheDeveloper(t *testing.T) {
	t.Parallel()
	source := "const cause = new Error('inner');\nexport default { fetch(r: Request) {\n  if (r.url.endsWith('/text')) throw 'a text';\n  if (r.url.endsWith('/cause')) throw new TypeError('outer', { cause });\n  if (r.url.endsWith('/json')) JSON.parse('{');\n  if (r.url.endsWith('/none')) return;\n  throw new RangeError('of\\nours');\n} };\n"
	const threw = "error PLUGIN_FAILED: the Worker threw an exception"
	for name, tt := range map[string]struct {
		path, remote, host string
		forwarded          string
		served             bool // not developed
		want               string
	}{
		"here":            {"/", "127.0.0.1:1024", "localhost:8787", "", false, threw + ": RangeError: of\nours at fetch (worker.ts:7:13)"},
		"a text":          {"/text", "[::1]:1024", "one.localhost", "", false, threw + ": a text"},
		"by an address":   {"/text", "127.0.0.1:1024", "127.0.0.1:8787", "", false, threw + ": a text"},
		"from elsewhere":  {"/", "192.0.2.1:1024", "localhost:8787", "", false, threw},
		"by another name": {"/", "127.0.0.1:1024", "edge.example.com", "", false, threw},
		"by a proxy":      {"/", "127.0.0.1:1024", "localhost:8787", "1.1 tunnel", false, threw},
		"a cause":         {"/cause", "127.0.0.1:1024", "localhost:8787", "", false, threw + ": TypeError: outer at fetch (worker.ts:4:43)"},
		"a text's place":  {"/json", "127.0.0.1:1024", "localhost:8787", "", false, threw + ": SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2) at fetch (worker.ts:5:37)"},
		"ours":            {"/none", "127.0.0.1:1024", "localhost:8787", "", false, threw + ": TypeError: fetch() of the Worker did not return a Response, but undefined"},
		"served":          {"/", "127.0.0.1:1024", "localhost:8787", "", true, threw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := serve(t, build(t, source), nil, func(s *plugins.Spec) { s.Development = !tt.served })
			r := request(tt.path)
			r.RemoteAddr, r.Host = tt.remote, tt.host
			if tt.forwarded != "" {
				r.Headers = append(r.Headers, header("Via", tt.forwarded))
			}
			if got := ask(t, p, r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPassThrough has the next plugin decide when the Worker throws.
func TestPassThrough(t *testing.T) {
	t.Parallel()
	source := "export default { fetch(r: Request, env: any, ctx: any) { ctx.passThroughOnException(); throw new Error('on purpose') } };\n"
	p, log := serve(t, build(t, source), nil)
	d, err := p.Decide(t.Context(), request("/"))
	if _, ok := d.(*abi.Next); !ok {
		t.Errorf("got %v, %v", d, err)
	}
	saysSoon(t, log, "Uncaught Error: on purpose")
}
