package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/plugins"
	"edge/plugins/worker"
)

// engineFile is what make fetched.
const engineFile = "../../../cmd/edge/assets/quickjs.wasm"

// batch is how many cases one request runs: more could use up its computing time.
const batch = 25

// source is a Worker that runs cases: those of a file by name, or the question which
// members a global has.
const source = `
import { answer } from %[1]q;
import { members, probe } from %[2]q;
import { format } from %[5]q;
%[3]s
(globalThis as any).shown = (...args: any[]) => format(args); // as node.js does for Node
const files: any = { %[4]s };
export default {
  async fetch(request: Request): Promise<Response> {
    const asked = JSON.parse(request.headers.get("x-asked")!);
    const out: any = {};
    if (asked.times) for (let i = 0; i < asked.times; i++) files[asked.file][asked.name]();
    else if (asked.globals) for (const name of asked.globals) out[name] = { members: members(name), says: await probe(name) };
    else for (const name of asked.cases ?? Object.keys(files[asked.file])) out[name] = await answer(files[asked.file][name]);
    return new Response(JSON.stringify(out));
  },
};
`

// inEngine runs the cases that Node ran as a Worker.
func inEngine(t *testing.T, files []string, want answers) answers {
	t.Helper()
	p := serve(t, files)
	got := answers{}
	for _, file := range slices.Sorted(maps.Keys(want)) {
		got[file] = map[string]json.RawMessage{}
		for names := range slices.Chunk(slices.Sorted(maps.Keys(want[file])), batch) {
			maps.Copy(got[file], run(t, p, file, names))
		}
	}
	return got
}

// run asks for some cases. When a batch fails, each runs alone, so that the one that
// failed is known.
func run(t *testing.T, p *plugins.Plugin, file string, names []string) map[string]json.RawMessage {
	t.Helper()
	var out map[string]json.RawMessage
	err := ask(t, p, map[string]any{"file": file, "cases": names}, &out)
	if err == nil {
		return out
	}
	if len(names) == 1 {
		b, _ := json.Marshal(map[string]string{"fails": err.Error()})
		return map[string]json.RawMessage{names[0]: b}
	}
	out = map[string]json.RawMessage{}
	for _, name := range names {
		maps.Copy(out, run(t, p, file, []string{name}))
	}
	return out
}

// ask sends the question to the Worker, as JSON in a header, and decodes the answer.
func ask(t testing.TB, p *plugins.Plugin, question, answer any) error {
	t.Helper()
	asked, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := p.Decide(ctx, &abi.Request{
		ID: "r1", Method: "GET", Scheme: "http", Host: "worker.example", Path: "/", RemoteAddr: "192.0.2.1:1024",
		Headers: []abi.Header{{Name: "Host", Value: "worker.example"}, {Name: "X-Asked", Value: string(asked)}},
	})
	if err != nil {
		return err
	}
	r, ok := d.(*abi.Respond)
	if !ok {
		return fmt.Errorf("the Worker decided %T", d)
	}
	said := r.Body
	if r.Stream != nil {
		defer func() { _ = r.Stream.Close() }()
		if said, err = io.ReadAll(r.Stream); err != nil {
			return err
		}
	}
	return json.Unmarshal(said, answer)
}

// book keeps what was logged, to be shown when a test fails.
type book struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// serve makes a Worker of the cases and loads it.
func serve(t testing.TB, files []string) *plugins.Plugin {
	t.Helper()
	said := &book{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%.4000s", &said.text)
		}
	})
	log := slog.New(slog.NewTextHandler(said, nil))
	r, err := plugins.NewRegistry(plugins.Config{Log: log, GuestLog: log, CacheDir: cacheDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	p, err := r.Load(t.Context(), plugins.Spec{Name: "platform", Source: build(t, files), Deadline: patience, Compute: patience, Queue: patience})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// build makes the Worker's module and returns its path.
func build(t testing.TB, files []string) string {
	t.Helper()
	engine, err := os.ReadFile(engineFile)
	if err != nil {
		t.Fatalf("%v: make fetches the engine", err)
	}
	b := worker.New(worker.Config{Engine: engine, CacheDir: cacheDir(t), Compute: patience})
	defer func() { _ = b.Close() }()
	dir := t.TempDir()
	path := filepath.Join(dir, "worker.ts")
	if err := os.WriteFile(path, []byte(program(t, files)), 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := b.Build(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "worker.wasm")
	if err := os.WriteFile(path, built.Module, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// program is the source of the Worker with these cases.
func program(t testing.TB, files []string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var imports, names []string
	for i, f := range files {
		imports = append(imports, fmt.Sprintf("import f%d from %q;", i, filepath.Join(here, f)))
		names = append(names, fmt.Sprintf("%q: f%d", strings.TrimSuffix(filepath.Base(f), ".js"), i))
	}
	return fmt.Sprintf(source, filepath.Join(here, "answer.js"), filepath.Join(here, "members.js"), strings.Join(imports, "\n"), strings.Join(names, ", "), filepath.Join(here, "../shim/web/console.js"))
}

// cacheDir keeps compiled code from one run to the next.
func cacheDir(t testing.TB) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "edge-worker-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
