package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
)

// fakePlugins are two, of which one takes uploads: a module "bad" is refused.
type fakePlugins struct {
	mu     sync.Mutex
	digest string // what chat serves
	number int64
	did    []string
	// held, if set, is what a load waits for once it has said so on holding.
	holding chan string
	held    chan struct{}
}

func (f *fakePlugins) List() []Plugin {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	chat := Plugin{Name: "chat", Source: "upload", Digest: f.digest, Generation: f.number, Generations: []PluginGeneration{}}
	if f.number > 0 {
		chat.Generations = []PluginGeneration{{
			Number: f.number, Digest: f.digest, Origin: "upload", Size: 1042, State: "serving", LoadedAt: at, Instances: 1, Requests: 12, Fuel: 3180,
		}}
	}
	other := Plugin{Name: "other", Source: "oci://registry.example/other:stable", SourceProblem: "the source cannot be read: the registry registry.example answers 503 Service Unavailable", Generations: []PluginGeneration{}}
	return []Plugin{chat, other}
}

func (f *fakePlugins) History(name string) ([]PluginEvent, error) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []PluginEvent{{Time: at, Kind: "loaded", Generation: 1, Digest: "4f2a90c13b7e", Origin: "upload"}}, nil
}

func (f *fakePlugins) Uploadable(name string) error {
	if name != "chat" {
		return abi.Errorf(abi.CodeConflict, "the modules of %s come from elsewhere", name)
	}
	return nil
}

func (f *fakePlugins) Load(ctx context.Context, name string, module, signature []byte) error {
	if f.holding != nil {
		f.holding <- name
		select {
		case <-f.held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf("load %s %d bytes, signature %q", name, len(module), signature))
	if bytes.HasPrefix(module, []byte("bad")) {
		e := abi.Errorf(abi.CodePluginRefused, "plugin %s: the module is refused at meter: not a WebAssembly module", name)
		e.Details = json.RawMessage(`{"step":"meter"}`)
		return e
	}
	f.number++
	f.digest = "9c1d44a0f2b6"
	return nil
}

func (f *fakePlugins) Rollback(_ context.Context, name, digest string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, "rollback "+name+" "+digest)
	if name != "chat" {
		return abi.Errorf(abi.CodeNotFound, "plugin %s: no earlier version is kept", name)
	}
	f.number++
	f.digest = "4f2a90c13b7e"
	return nil
}

func (f *fakePlugins) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	did := f.did
	f.did = nil
	return did
}

func TestPlugins(t *testing.T) {
	t.Parallel()
	f := &fakePlugins{number: 1, digest: "4f2a90c13b7e"}
	w := start(t, &Server{Operations: &fakeOperations{}, Plugins: f})
	var list PluginList
	if got := w.ask("GET", "/v1/plugins", ""); json.Unmarshal([]byte(got.body), &list) != nil || len(list.Plugins) != 2 || list.Plugins[0].Generations[0].Requests != 12 {
		t.Errorf("list: %s", got.body)
	}
	var one PluginDetail
	if got := w.ask("GET", "/v1/plugins/chat?pretty", ""); json.Unmarshal([]byte(got.body), &one) != nil || one.Name != "chat" || one.History[0].Kind != "loaded" {
		t.Errorf("one: %s", got.body)
	}
	for _, tt := range []struct {
		name, method, path, body string
		header                   [2]string
		status                   int
		code                     abi.Code
		did                      string
	}{
		{"load", "PUT", "chat/module", "module", [2]string{"Content-Type", wasmType}, 200, "", `load chat 6 bytes, signature ""`},
		{"load as bytes", "PUT", "chat/module", "module", [2]string{"Content-Type", "application/octet-stream"}, 200, "", `load chat 6 bytes, signature ""`},
		{"load signed", "PUT", "chat/module", "module", [2]string{signatureHeader, "c2lnbmVk"}, 200, "", `load chat 6 bytes, signature "signed"`},
		{"bad signature", "PUT", "chat/module", "module", [2]string{signatureHeader, "?"}, 400, abi.CodeInvalidRequest, ""},
		{"refused", "PUT", "chat/module", "bad module", [2]string{}, 422, abi.CodePluginRefused, `load chat 10 bytes, signature ""`},
		{"empty", "PUT", "chat/module", "", [2]string{}, 400, abi.CodeInvalidRequest, ""},
		{"as JSON", "PUT", "chat/module", "{}", [2]string{"Content-Type", "application/json"}, 400, abi.CodeInvalidRequest, ""},
		{"compressed", "PUT", "chat/module", "{}", [2]string{"Content-Encoding", "gzip"}, 400, abi.CodeInvalidRequest, ""},
		{"comes from elsewhere", "PUT", "other/module", "module", [2]string{}, 409, abi.CodeConflict, ""},
		{"unknown", "PUT", "none/module", "module", [2]string{}, 404, abi.CodeNotFound, ""},
		{"query", "PUT", "chat/module?force", "module", [2]string{}, 400, abi.CodeInvalidRequest, ""},
		{"method", "POST", "chat/module", "module", [2]string{}, 405, abi.CodeInvalidRequest, ""},
		{"rollback", "POST", "chat/rollback", "", [2]string{}, 200, "", "rollback chat "},
		{"rollback to", "POST", "chat/rollback", `{"digest":"4f2a90"}`, [2]string{}, 200, "", "rollback chat 4f2a90"},
		{"rollback misspelt", "POST", "chat/rollback", `{"digst":"4f2a90"}`, [2]string{}, 400, abi.CodeInvalidRequest, ""},
		{"nothing to go back to", "POST", "other/rollback", "{}", [2]string{}, 404, abi.CodeNotFound, "rollback other "},
		{"rollback of none", "POST", "none/rollback", "{}", [2]string{}, 404, abi.CodeNotFound, ""},
		{"show none", "GET", "none", "", [2]string{}, 404, abi.CodeNotFound, ""},
		{"show with a query", "GET", "chat?x", "", [2]string{}, 400, abi.CodeInvalidRequest, ""},
		{"no such path", "GET", "chat/modules", "", [2]string{}, 404, abi.CodeNotFound, ""},
		{"deep", "PUT", "chat/module/", "x", [2]string{}, 404, abi.CodeNotFound, ""},
	} {
		r := w.request(tt.method, "/v1/plugins/"+tt.path, strings.NewReader(tt.body))
		if tt.header[0] != "" {
			r.Header.Set(tt.header[0], tt.header[1])
		}
		got := w.do(r)
		if got.StatusCode != tt.status || got.code() != tt.code {
			t.Errorf("%s: %d %s", tt.name, got.StatusCode, got.body)
		}
		if did := strings.Join(f.done(), ", "); did != tt.did {
			t.Errorf("%s: %q, want %q", tt.name, did, tt.did)
		}
		var p Plugin
		if tt.status == 200 && (json.Unmarshal([]byte(got.body), &p) != nil || p.Generation < 2) {
			t.Errorf("%s: answered %s", tt.name, got.body)
		}
	}
	without := start(t, &Server{Operations: &fakeOperations{}})
	for _, r := range []string{"GET /v1/plugins", "GET /v1/plugins/chat", "PUT /v1/plugins/chat/module", "POST /v1/plugins/chat/rollback"} {
		method, path, _ := strings.Cut(r, " ")
		if got := without.ask(method, path, ""); got.code() != abi.CodeUnsupported {
			t.Errorf("%s: %d %s", r, got.StatusCode, got.body)
		}
	}
}

// TestOneChangeAtATime wants a second change of a plugin under way refused before
// its bytes are read, and modules in memory to be few.
func TestOneChangeAtATime(t *testing.T) {
	t.Parallel()
	f := &fakePlugins{holding: make(chan string), held: make(chan struct{})}
	w := start(t, &Server{Operations: &fakeOperations{}, Plugins: f})
	first := make(chan result)
	go func() { first <- w.do(w.request("PUT", "/v1/plugins/chat/module", strings.NewReader("module"))) }()
	<-f.holding
	// The body never comes: the answer does not wait for it.
	body, write := io.Pipe()
	defer write.Close()
	if got := w.do(w.request("PUT", "/v1/plugins/chat/module", body)); got.code() != abi.CodeConflict {
		t.Errorf("a second load: %d %s", got.StatusCode, got.body)
	}
	if got := w.ask("POST", "/v1/plugins/chat/rollback", ""); got.code() != abi.CodeConflict {
		t.Errorf("a rollback meanwhile: %d %s", got.StatusCode, got.body)
	}
	close(f.held)
	if got := <-first; got.StatusCode != 200 {
		t.Errorf("the first load: %d %s", got.StatusCode, got.body)
	}
	var c changes
	for i, tt := range []struct {
		plugin string
		module bool
		code   abi.Code
	}{{"a", true, ""}, {"b", true, ""}, {"c", true, abi.CodeTooManyRequests}, {"c", false, ""}, {"a", false, abi.CodeConflict}} {
		_, err := c.enter(tt.plugin, tt.module)
		if e, _ := err.(*abi.Error); (err != nil || tt.code != "") && (e == nil || e.Code != tt.code) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestModuleBounds wants a module that is said to be too large refused at once, and
// one that turns out so when it does.
func TestModuleBounds(t *testing.T) {
	t.Parallel()
	f := &fakePlugins{}
	const most = 1 << 20
	w := start(t, &Server{Operations: &fakeOperations{}, Plugins: f, maxModule: most})
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /v1/plugins/chat/module HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", testToken, most+1)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 413 {
		t.Errorf("said to be too large: %v, %v", resp, err)
	}
	r := w.request("PUT", "/v1/plugins/chat/module", unsized{io.LimitReader(zeros{}, most+1)})
	if got := w.do(r); got.code() != abi.CodeBodyTooLarge {
		t.Errorf("too large: %d %s", got.StatusCode, got.body)
	}
	if did := f.done(); len(did) > 0 {
		t.Errorf("%q", did)
	}
	if got := w.do(w.request("PUT", "/v1/plugins/chat/module", unsized{io.LimitReader(zeros{}, most)})); got.StatusCode != 200 {
		t.Errorf("as large as may be: %d %s", got.StatusCode, got.body)
	}
}

// TestHalfModule wants a body that breaks off not to be loaded, and its place to be
// free after it.
func TestHalfModule(t *testing.T) {
	t.Parallel()
	f := &fakePlugins{}
	w := start(t, &Server{Operations: &fakeOperations{}, Plugins: f})
	for range maxModules + 1 {
		r := w.request("PUT", "/v1/plugins/chat/module", io.MultiReader(strings.NewReader("half"), failing{}))
		if _, err := w.client.Do(r); err == nil {
			t.Error("half a module was answered")
		}
	}
	eventuallyAnswers(t, func() bool {
		return w.do(w.request("PUT", "/v1/plugins/chat/module", strings.NewReader("whole"))).StatusCode == 200
	})
	if did := f.done(); !slices.Equal(did, []string{`load chat 5 bytes, signature ""`}) {
		t.Errorf("%q", did)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func eventuallyAnswers(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never did")
		}
	}
}
