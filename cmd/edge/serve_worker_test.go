package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

const workerConfig = "state: ./state\nplugins:\n  app: {source: worker.ts}\nroutes:\n  - plugin: app\n"

// TestServeBuildsAWorker has edge serve build a Worker at its start and at a SIGHUP. One
// that does not build leaves the version before serving.
func TestServeBuildsAWorker(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	dir := t.TempDir()
	writeFiles(t, dir, "worker.ts", "export default { fetch(): Response { return new Response('version one') } };\n")
	s := serveIn(t, dir, workerConfig)
	url := "http://127.0.0.1:" + s.logged(t, "url=http://localhost:")
	s.serves(t, url, "version one")

	source := filepath.Join(dir, "worker.ts")
	edit(t, source, "one", "two")
	s.signal(syscall.SIGHUP)
	s.logged(t, "msg=reloaded")
	s.serves(t, url, "version two")

	edit(t, source, "new Response", "new Respon se")
	s.signal(syscall.SIGHUP)
	s.logged(t, `msg="reload refused; routes stay as they are"`)
	if log := s.log.String(); !strings.Contains(log, `worker.ts:1:56: Expected`) {
		t.Errorf("the log does not say where the mistake is:\n%s", log)
	}
	s.serves(t, url, "version two")

	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// TestServeRefusesABrokenWorker does not start, and says why.
func TestServeRefusesABrokenWorker(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	dir := t.TempDir()
	writeFiles(t, dir, "worker.ts", "export default { fetch() { return nix( } };\n")
	err := serveIn(t, dir, workerConfig).end(t)
	if err == nil || !strings.Contains(err.Error(), "plugin app does not build:\nworker.ts:1:40: Unexpected") {
		t.Errorf("edge serve ended with %v", err)
	}
}

// TestModuleNeedsNoEngine serves what edge build made with a binary that has no engine,
// which cannot serve the source.
func TestModuleNeedsNoEngine(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	dir := t.TempDir()
	writeFiles(t, dir, "worker.ts", "export default { fetch(): Response { return new Response('from a module') } };\n")
	term := &terminal{out: &lockedBuffer{}, err: &lockedBuffer{}, getenv: func(string) string { return "" }}
	module := filepath.Join(dir, "app.wasm")
	if err := (&workerBuildCommand{Source: filepath.Join(dir, "worker.ts"), Out: module}).Run(t.Context(), term); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ source, want string }{
		{"app.wasm", ""},
		{"worker.ts", "plugin app: this edge was built without the JavaScript engine"},
	} {
		file := filepath.Join(dir, "edge.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(workerConfig, "worker.ts", tt.source, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := Flags{Listen: "127.0.0.1:0", AdminListen: "off"}.configure(file, LoadConfig, term, localStateOf, serveLogLevel)
		if err != nil {
			t.Fatal(err)
		}
		o.assets = fstest.MapFS{}
		s, err := openServer(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		err = s.start(t.Context(), o.config)
		if tt.want == "" && (err != nil || !s.serves("app")) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: start = %v, want %q", tt.source, err, tt.want)
		}
		if err := s.release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
