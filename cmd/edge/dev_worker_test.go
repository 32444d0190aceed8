package main

import (
	"edge/plugins/worker"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// needsEngine skips a test where make did not fetch the JavaScript engine.
func needsEngine(t *testing.T) {
	t.Helper()
	if haveEngine() {
		return
	}
	const missing = "cmd/edge/assets/quickjs.wasm is missing: make fetches it"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

func haveEngine() bool {
	_, err := fs.Stat(assets, "assets/quickjs.wasm")
	return err == nil
}

// writeFiles writes files, name and text in turn, below dir.
func writeFiles(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		replace(t, path, []byte(files[i+1]))
	}
}

// TestDevServesAWorker edits a Worker that has no edge.yaml, and each kind of file that
// it is made of.
func TestDevServesAWorker(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	dir, elsewhere := t.TempDir(), t.TempDir()
	worker := filepath.Join(dir, "worker.ts")
	writeFiles(t, dir, "worker.ts", `import { name } from "./lib/name";
import { greeting } from "greet";
import tail from "./tail.txt";
export default { async fetch(request: Request, env: any): Promise<Response> {
  return new Response(greeting + " " + name + tail + env.TOKEN);
} };
`, "lib/name.ts", "export const name: string = \"you\";\n", "tail.txt", "!", ".dev.vars", "# of this machine\nTOKEN=\"secret one\"\n")
	writeFiles(t, elsewhere, "greet/package.json", `{"main": "index.js"}`, "greet/index.js", "exports.greeting = 'hello';\n")
	if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "greet"), filepath.Join(dir, "node_modules", "greet")); err != nil {
		t.Fatal(err)
	}
	s := startDevCommand(t, dir, &devCommand{Dir: worker})
	s.await(t, `^plugin worker \d+ ms sha256:[0-9a-f]{12}$`)
	url := s.url(t)
	s.serves(t, url, "hello you!secret one")

	for _, step := range []struct{ file, old, new, want string }{
		{worker, `" " + name`, `", " + name`, "hello, you!secret one"},
		{filepath.Join(dir, "lib/name.ts"), "you", "everybody", "hello, everybody!secret one"},
		{filepath.Join(dir, "tail.txt"), "!", "?", "hello, everybody?secret one"},
		{filepath.Join(elsewhere, "greet/index.js"), "hello", "good day", "good day, everybody?secret one"},
	} {
		edit(t, step.file, step.old, step.new)
		s.await(t, `^reload worker \d+ ms sha256:[0-9a-f]{12}$`)
		s.serves(t, url, step.want)
	}

	edit(t, filepath.Join(dir, ".dev.vars"), "secret one", "secret two")
	s.await(t, `^config .dev.vars \d+ ms$`)
	s.serves(t, url, "everybody?secret two")

	edit(t, filepath.Join(dir, "lib/name.ts"), "export", "import x from \"./more\";\nexport")
	edit(t, filepath.Join(dir, "lib/name.ts"), "\"everybody\"", "x")
	s.await(t, `^build worker does not build; the version before it goes on serving$`)
	s.await(t, `^  \| lib/name\.ts:1:15: Could not resolve "\./more": there is no such file$`)
	s.serves(t, url, "everybody?secret two")
	writeFiles(t, dir, "lib/more.ts", "export default \"all\";\n")
	s.await(t, `^reload worker `)
	s.serves(t, url, "good day, all?secret two")

	edit(t, worker, "return new", "throw new RangeError(\"oh\"); return new")
	s.await(t, `^reload worker `)
	s.serves(t, url, "the Worker threw an exception: RangeError: oh at fetch (worker.ts:5:")
	s.signal(os.Interrupt)
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("edge dev did not end")
	}
	asked := strings.Count(s.errs.String(), "error worker: Uncaught RangeError: oh")
	if places := regexp.MustCompile(`(?m)^    at fetch \(worker\.ts:5:\d+\)`).FindAllString(s.errs.String(), -1); asked == 0 || len(places) != asked {
		t.Errorf("the log has %d places of the source for %d errors:\n%s", len(places), asked, s.errs)
	}
	if n := strings.Count(s.errs.String(), "exception") + strings.Count(s.errs.String(), "RangeError") - asked; n != 0 {
		t.Errorf("the log tells an exception %d times more:\n%s", n, s.errs)
	}
}

// TestDevAsksTheWorkerOfPreviews has a Worker guard previews as soon as it uses
// proxyToSandbox, and no longer.
func TestDevAsksTheWorkerOfPreviews(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	dir := t.TempDir()
	source := filepath.Join(dir, "my.app.mjs")
	const plain = "export default { fetch() { return new Response('plain') } };\n"
	writeFiles(t, dir, "my.app.mjs", plain)
	s := startDevCommand(t, dir, &devCommand{Dir: source})
	s.await(t, `^plugin plugin \d+ ms `) // "my.app" cannot name one
	url := s.url(t)
	preview := func() string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "8080-box-0123456789abcdef.localhost"
		client := http.Client{Timeout: patience}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.Status
	}
	s.serves(t, url, "plain")
	if got := preview(); got != "404 Not Found" {
		t.Errorf("an unknown preview is %s before anybody is asked", got)
	}
	writeFiles(t, dir, "my.app.mjs", "import { proxyToSandbox } from '@cloudflare/sandbox';\n"+
		"export default { async fetch(request, env) { if (!request.headers.get('x-key')) return new Response('guarded', { status: 401 }); return proxyToSandbox(request, env) } };\n")
	s.await(t, `^reload plugin `)
	s.serves(t, url, "guarded")
	if got := preview(); got != "401 Unauthorized" {
		t.Errorf("a preview is %s, which the Worker should have refused", got)
	}
	writeFiles(t, dir, "my.app.mjs", plain)
	s.await(t, `^reload plugin `)
	s.serves(t, url, "plain")
	if got := preview(); got != "404 Not Found" {
		t.Errorf("an unknown preview is %s though nobody is to be asked any more", got)
	}
}

// TestWithoutEngine says what to do about a Worker.
func TestWithoutEngine(t *testing.T) {
	t.Parallel()
	b := pluginBuilder{dir: t.TempDir(), workers: newWorkerBuilder(fstest.MapFS{}, worker.Config{})}
	defer b.close()
	file := filepath.Join(t.TempDir(), "worker.ts")
	writeFiles(t, filepath.Dir(file), "worker.ts", "export default {};\n")
	_, _, err := b.buildWorker(t.Context(), "chat", file)
	const want = `plugin chat: this edge was built without the JavaScript engine, which worker.ts needs; "make" in the sources of edge makes one that has it, and a module made by such a one (edge build worker.ts) runs here`
	if err == nil || err.Error() != want {
		t.Errorf("buildWorker = %v, want %s", err, want)
	}
}

// TestDevVariables has edge dev, and nobody else, find secrets of edge.yaml in
// .dev.vars; the environment comes first.
func TestDevVariables(t *testing.T) {
	t.Setenv("EDGE_TEST_BOTH", "of the environment")
	dir := t.TempDir()
	writeFiles(t, dir, "worker.ts", "export default {}", ".dev.vars", "EDGE_TEST_KEY=of the file\nEDGE_TEST_BOTH=of the file\n",
		"edge.yaml", "plugins: {w: {source: ./worker.ts, secrets: {KEY: {env: EDGE_TEST_KEY}, BOTH: {env: EDGE_TEST_BOTH}}}}\nroutes: [{path: \"/*\", plugin: w}]\n")
	file := filepath.Join(dir, "edge.yaml")
	c, err := loadDevConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Plugins[0].Secrets; s["KEY"] != "of the file" || s["BOTH"] != "of the environment" {
		t.Errorf("the secrets are %q and %q", s["KEY"], s["BOTH"])
	}
	if _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), "EDGE_TEST_KEY is not set") {
		t.Errorf("edge serve: %v", err)
	}
	writeFiles(t, dir, ".dev.vars", "no line\n")
	if _, err := loadDevConfig(file); err == nil || !strings.Contains(err.Error(), ".dev.vars:1:1: ") {
		t.Errorf("a file that is not understood: %v", err)
	}
}

// TestParseVariables reads .dev.vars.
func TestParseVariables(t *testing.T) {
	t.Parallel()
	got, err := parseVariables("f", "# all\n\nA=1\n export B = two words # not this\nC='it # is'\nD=\"line\\nline\"\nE=\n"+
		"F=\"two words # not a comment\" # a comment\nG='first\nsecond # of it'\r\nH=`it's`\nI=\"open\nJ=\"a\"b\"")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "1", "B": "two words", "C": "it # is", "D": "line\nline", "E": "",
		"F": "two words # not a comment", "G": "first\nsecond # of it", "H": "it's", "I": `"open`, "J": `a"b`} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	for _, text := range []string{"just a secret", "1A=secret", "A\nB=secret", "A='secret\nsecret'\nB"} {
		if _, err := parseVariables("f", text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
