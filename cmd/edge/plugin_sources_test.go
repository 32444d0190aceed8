package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// sourcedConfig has one plugin of that source, with the admin API on its socket
// alone.
func sourcedConfig(source string) string {
	return "state: ./state\nadmin: {listen: off}\nplugins:\n  app: {source: \"" + source + "\"}\nroutes:\n  - {plugin: app}\n"
}

// edge runs a command line against the edge that is served, and returns what it
// printed and its exit code.
func (s *serving) edge(t *testing.T, args ...string) (printed string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append(args, "--admin", filepath.Join(s.dir, "state", "run", "admin.sock")), quietTerminal(&out, &errs))
	return out.String() + errs.String(), code
}

// does is edge for a command line that must succeed and print those texts.
func (s *serving) does(t *testing.T, args []string, texts ...string) {
	t.Helper()
	printed, code := s.edge(t, args...)
	for _, text := range texts {
		if code != exitOK || !strings.Contains(printed, text) {
			t.Errorf("edge %s: exit %d, without %q:\n%s", strings.Join(args, " "), code, text, printed)
		}
	}
}

// refuses is edge for a command line that must fail with that text.
func (s *serving) refuses(t *testing.T, args []string, text string) {
	t.Helper()
	if printed, code := s.edge(t, args...); code != exitFailure || !strings.Contains(printed, text) {
		t.Errorf("edge %s: exit %d, without %q:\n%s", strings.Join(args, " "), code, text, printed)
	}
}

func (s *serving) url(t *testing.T) string {
	t.Helper()
	return "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:") + "/"
}

// stop ends the edge in order.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	s.signal(syscall.SIGTERM)
	if err := s.end(t); err != nil {
		t.Errorf("edge serve ended with %v", err)
	}
}

// TestUploadedPlugin has modules loaded over the admin API: one that is not taken
// leaves the last one serving, and a restart brings back what served.
func TestUploadedPlugin(t *testing.T) {
	t.Parallel()
	s := serveIn(t, t.TempDir(), sourcedConfig("upload"))
	url := s.url(t)
	s.serves(t, url, "the plugin app has no module yet")
	s.serves(t, url, "edge plugin load app FILE")
	s.does(t, []string{"plugin", "list"}, "app       -  -       none", "it has no module yet: edge plugin load app FILE")
	one, two, bad := filepath.Join(s.dir, "one.wasm"), filepath.Join(s.dir, "app.wasm"), filepath.Join(s.dir, "bad.wasm")
	replace(t, one, answeringModule("module one"))
	replace(t, two, answeringModule("module two"))
	replace(t, bad, []byte("no module"))

	s.does(t, []string{"plugin", "load", "app", one}, "app: generation 1, "+digestOf(answeringModule("module one"))[:12]+", serving")
	s.serves(t, url, "module one")
	s.does(t, []string{"plugin", "load", two}, "app: generation 2, ", ", serving")
	s.serves(t, url, "module two")
	s.refuses(t, []string{"plugin", "load", "app", bad}, "PLUGIN_REFUSED: plugin app: the module is refused at meter")
	s.serves(t, url, "module two")
	s.does(t, []string{"plugin", "list"}, "warm", "generation 3 (", "was refused at meter")
	s.does(t, []string{"plugin", "rollback", "app"}, "generation 1, ")
	s.serves(t, url, "module one")
	s.refuses(t, []string{"plugin", "rollback", "app", "ffffff"}, "NOT_FOUND: ")
	s.refuses(t, []string{"plugin", "load", "other", one}, `NOT_FOUND: there is no plugin "other"`)
	s.does(t, []string{"plugin", "history", "app"}, "loaded", "reloaded", "refused", "at meter: ")
	s.stop(t)

	s = serveIn(t, s.dir, sourcedConfig("upload"))
	url = s.url(t)
	s.serves(t, url, "module one")
	s.does(t, []string{"plugin", "history", "app"}, "refused")
	s.does(t, []string{"plugin", "rollback", "app", digestOf(answeringModule("module two"))[:8]}, ", serving")
	s.serves(t, url, "module two")
	s.stop(t)
}

// TestOtherSourcesTakeNoUploads wants a plugin to have one source.
func TestOtherSourcesTakeNoUploads(t *testing.T) {
	t.Parallel()
	s := startServing(t, sourcedConfig("app.wasm"))
	s.url(t)
	s.refuses(t, []string{"plugin", "load", filepath.Join(s.dir, "app.wasm")}, "CONFLICT: plugin app: its modules come from "+filepath.Join(s.dir, "app.wasm"))
	s.stop(t)
}

// TestFolderOfVersions serves the newest, follows, keeps what served when the newest
// is bad, and does not bring back over a restart what was rolled back.
func TestFolderOfVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, "versions")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) { replace(t, filepath.Join(folder, name), answeringModule(text)) }
	put("v9.wasm", "version nine")
	put("v10.wasm", "version ten")
	s := serveIn(t, dir, sourcedConfig("./versions"))
	url := s.url(t)
	s.serves(t, url, "version ten")
	put("v11.wasm", "version eleven")
	s.serves(t, url, "version eleven")
	replace(t, filepath.Join(folder, "v12.wasm"), []byte("no module"))
	s.logged(t, "plugin module refused")
	s.serves(t, url, "version eleven")
	s.does(t, []string{"plugin", "list"}, "was refused at meter", folder)
	s.signal(syscall.SIGHUP)
	s.logged(t, "reload refused; routes stay as they are")
	if err := os.Remove(filepath.Join(folder, "v12.wasm")); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	s.logged(t, "msg=reloaded")
	s.does(t, []string{"plugin", "rollback", "app"}, ", serving")
	s.serves(t, url, "version ten")
	s.stop(t)

	s = serveIn(t, dir, sourcedConfig("./versions"))
	url = s.url(t)
	s.serves(t, url, "version ten")
	put("v13.wasm", "version thirteen")
	s.serves(t, url, "version thirteen")
	s.stop(t)
}

// miniRegistry is a registry of one repository with one tag (OCI distribution
// specification, "pull").
type miniRegistry struct {
	*httptest.Server
	mu     sync.Mutex
	module []byte
	down   bool
}

func startMiniRegistry(t *testing.T) *miniRegistry {
	t.Helper()
	r := new(miniRegistry)
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *miniRegistry) set(module []byte, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.module, r.down = module, down
}

func (r *miniRegistry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	digest := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	const empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},`+
		`"layers":[{"mediaType":"application/wasm","digest":%q,"size":%d}]}`, empty, digest(r.module), len(r.module))
	kind := "application/vnd.oci.image.manifest.v1+json"
	if strings.Contains(req.URL.Path, "/blobs/") {
		content, kind = r.module, "application/octet-stream"
	}
	if r.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", digest(content))
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(content)
	}
}

// TestPluginFromARegistry starts while the registry is down, takes the module once it
// is there, follows the tag, and serves on over a restart without the registry.
func TestPluginFromARegistry(t *testing.T) {
	t.Parallel()
	r := startMiniRegistry(t)
	r.set(nil, true)
	config := strings.Replace(sourcedConfig("oci://"+strings.TrimPrefix(r.URL, "http://")+"/team/app:stable"), "\"}\n", "\", poll: 1s}\n", 1)
	dir := t.TempDir()
	s := serveIn(t, dir, config)
	url := s.url(t)
	s.serves(t, url, "the plugin app has no module yet")
	s.does(t, []string{"plugin", "list"}, "none", "the source cannot be read: ", "answers 503 Service Unavailable")
	r.set(answeringModule("from the registry"), false)
	s.serves(t, url, "from the registry")
	r.set(answeringModule("the tag moved"), false)
	s.serves(t, url, "the tag moved")
	s.does(t, []string{"plugin", "history", "app"}, "/team/app:stable@sha256:")
	r.set(nil, true)
	s.logged(t, "the plugin does not follow its source")
	s.stop(t)

	begun := time.Now()
	s = serveIn(t, dir, config)
	url = s.url(t)
	t.Logf("started without the registry in %v", time.Since(begun))
	s.serves(t, url, "the tag moved")
	s.logged(t, "the plugin does not follow its source")
	r.set(answeringModule("back again"), false)
	s.serves(t, url, "back again")
	s.stop(t)
}

// TestSourceChanges has a plugin's source changed while it is served.
func TestSourceChanges(t *testing.T) {
	t.Parallel()
	s := startServing(t, sourcedConfig("upload"))
	url := s.url(t)
	replace(t, filepath.Join(s.dir, "other.wasm"), answeringModule("uploaded"))
	s.does(t, []string{"plugin", "load", "app", filepath.Join(s.dir, "other.wasm")}, ", serving")
	s.serves(t, url, "uploaded")
	if err := os.Mkdir(filepath.Join(s.dir, "versions"), 0o755); err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(s.dir, "versions", "v1.wasm"), answeringModule("a version"))
	edit(t, s.config, `"upload"`, `"versions"`)
	s.signal(syscall.SIGHUP)
	s.serves(t, url, "a version")
	edit(t, s.config, `"versions"`, `"app.wasm"`)
	s.signal(syscall.SIGHUP)
	s.serves(t, url, "hello")
	replace(t, filepath.Join(s.dir, "versions", "v2.wasm"), answeringModule("a version that nobody follows"))
	edit(t, s.config, `"app.wasm"`, `"upload"`)
	s.signal(syscall.SIGHUP)
	s.loggedTimes(t, "msg=reloaded", 3)
	s.refuses(t, []string{"plugin", "load", "app", s.config}, "PLUGIN_REFUSED")
	s.stop(t)
}

// TestMetricsOfPlugins wants what became of modules in the metrics.
func TestMetricsOfPlugins(t *testing.T) {
	t.Parallel()
	s := startServing(t, sourcedConfig("upload"))
	url := s.url(t)
	s.does(t, []string{"plugin", "load", "app", filepath.Join(s.dir, "app.wasm")}, ", serving")
	s.refuses(t, []string{"plugin", "load", "app", s.config}, "PLUGIN_REFUSED")
	s.serves(t, url, "hello")
	text := string(s.exposition(t))
	for _, line := range []string{
		`edge_plugin_generation_info{digest="` + digestOf(answeringModule("hello")) + `",generation="1",plugin="app",state="serving"} 1`,
		`edge_plugin_requests_total{generation="1",plugin="app"} `,
		`edge_plugin_loads_total{plugin="app",result="loaded",step=""} 1`,
		`edge_plugin_loads_total{plugin="app",result="refused",step="meter"} 1`,
		`edge_plugin_load_seconds_count{plugin="app"} 1`,
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("the metrics do not have %s", line)
		}
	}
	s.stop(t)
}

// exposition is what GET /metrics answers on the admin socket.
func (s *serving) exposition(t *testing.T) []byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: socketDialer(filepath.Join(s.dir, "state", "run", "admin.sock"))}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://edge/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// socketDialer dials a Unix socket, whatever address is asked for.
func socketDialer(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}
