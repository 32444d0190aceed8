package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"edge/plugins/wasmasm"
)

const (
	// mostLost is how many requests a bad module may cost, whatever is wrong with it.
	mostLost = 20
	// afterBad is how many requests follow, in which a bad module would show.
	afterBad = 2000
)

// badModule is a module that must not cost much, and what is told of it.
type badModule struct {
	name   string
	module []byte
	keys   string // more of the plugin's configuration
	// result and step are the labels of edge_plugin_loads_total.
	result, step string
	// says is the reason, in the log and in the list of plugins.
	says string
	// lost tells that a request may fail: the module serves at first.
	lost bool
}

func badModules() []badModule {
	good := answering(nil)
	trapping := answering(func(m *wasmasm.Module) wasmasm.Code { return wasmasm.Unreachable() })
	return []badModule{
		{name: "cut short", module: good[:len(good)-5], result: "refused", step: "meter", says: "the file is cut short"},
		{name: "no module at all", module: []byte("package main\n"), result: "refused", step: "meter", says: "it is not a WebAssembly module"},
		{name: "ungranted", keys: ", grants: {}", result: "refused", step: "imports", says: "grants.kv", module: answering(func(m *wasmasm.Module) wasmasm.Code {
			m.Import("edge1", "kv", "iiiiiiiiii", "I")
			return nil
		})},
		{name: "fails its self-test", result: "refused", step: "self-test", says: "edge_selftest", module: answering(func(m *wasmasm.Module) wasmasm.Code {
			m.Func("edge_selftest", "", "i", "", wasmasm.I32(7))
			return nil
		})},
		{name: "traps in its self-test", result: "refused", step: "self-test", says: "unreachable", module: answering(func(m *wasmasm.Module) wasmasm.Code {
			m.Func("edge_selftest", "", "i", "", wasmasm.Unreachable())
			return nil
		})},
		{name: "traps in _initialize", result: "refused", step: "start", says: "unreachable", module: answering(func(m *wasmasm.Module) wasmasm.Code {
			m.Func("_initialize", "", "", "", wasmasm.Unreachable())
			return nil
		})},
		{name: "traps in every request", module: trapping, result: "rolled-back", step: "service", says: "unreachable", lost: true},
		{name: "traps in an instance's second request", result: "rolled-back", step: "service", says: "unreachable", lost: true, module: answering(func(m *wasmasm.Module) wasmasm.Code {
			asked := m.Global(0)
			return wasmasm.Do(wasmasm.GetGlobal(asked), wasmasm.If(wasmasm.Unreachable(), nil), wasmasm.I32(1), wasmasm.SetGlobal(asked))
		})},
		{name: "never decides", result: "rolled-back", step: "service", says: "without a decision", lost: true, module: answering(func(m *wasmasm.Module) wasmasm.Code {
			return wasmasm.Do(wasmasm.I32(0), wasmasm.Return())
		})},
		{name: "never returns", keys: ", compute: 100ms", result: "rolled-back", step: "service", says: "computed for longer", lost: true,
			module: answering(func(m *wasmasm.Module) wasmasm.Code { return wasmasm.Forever() })},
		{name: "burns its fuel", keys: ", fuel: 100000", result: "rolled-back", step: "service", says: "the fuel for one request is used up", lost: true,
			module: answering(func(m *wasmasm.Module) wasmasm.Code { return wasmasm.Forever() })},
		{name: "traps as a canary", module: trapping, keys: ", canary: {percent: 10, for: 1h}", result: "rolled-back", step: "canary", says: "unreachable", lost: true},
	}
}

// answering is a module that answers every request with 200, once it did what
// first adds.
func answering(first func(*wasmasm.Module) wasmasm.Code) []byte {
	m := wasmasm.New()
	respond := m.Import("edge1", "respond", "iiiiii", "I")
	var before wasmasm.Code
	if first != nil {
		before = first(m)
	}
	m.Memory(1, 0)
	m.Func("edge1", "", "", "")
	m.Func("edge_init", "", "i", "", wasmasm.I32(0))
	m.Func("edge_request", "i", "i", "", before,
		wasmasm.Call(respond, wasmasm.Get(0), wasmasm.I32(200), wasmasm.I32(0), wasmasm.I32(0), wasmasm.I32(0), wasmasm.I32(0)), wasmasm.Drop(),
		wasmasm.I32(0))
	return m.Encode()
}

// TestBadModulesUnderLoad puts each kind of bad module in place of one that serves
// eight busy connections: hardly a request fails, and the log, the metrics and the
// list of plugins say why it does not serve.
func TestBadModulesUnderLoad(t *testing.T) {
	for _, bad := range badModules() {
		t.Run(bad.name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "plugin.wasm")
			replace(t, source, answering(nil))
			e := newEdge(t, settings{
				runtime: "process", pluginKeys: bad.keys,
				plugins: map[string]string{"team": source}, routes: [][2]string{{"/*", "team"}},
			})
			load := startTolerantLoad(t.Context(), 8, "http://"+e.addr+"/")
			load.await(t, afterBad)
			replace(t, source, bad.module)
			e.eventually("it is told why the module does not serve", func() error { return e.tells(bad) })
			load.await(t, load.answered.Load()+afterBad)
			requests, lost := load.stop()
			t.Logf("of %d requests failed: %v", requests, lost)
			sum := 0
			for _, n := range lost {
				sum += n
			}
			if sum > mostLost || sum > 0 && !bad.lost {
				t.Errorf("%d requests failed: %v", sum, lost)
			}
		})
	}
}

// tells looks for why a module does not serve, wherever that is told.
func (e *edge) tells(bad badModule) error {
	kind := "plugin module refused"
	if bad.result == "rolled-back" {
		kind = "plugin rolled back"
	}
	said := func(line string) bool {
		return strings.Contains(line, kind) && strings.Contains(line, "step="+bad.step) && strings.Contains(line, bad.says)
	}
	if !anyLine(e.log.String(), said) {
		return fmt.Errorf("no line of the log tells of %q at %s: %s\n%s", kind, bad.step, bad.says, e.log)
	}
	series := fmt.Sprintf("edge_plugin_loads_total{plugin=%q,result=%q,step=%q} 1\n", "team", bad.result, bad.step)
	if text := e.ask("GET", "/metrics", 200); !bytes.Contains(text, []byte(series)) {
		return fmt.Errorf("the metrics lack %s: %s", series, regexp.MustCompile(`(?m)^edge_plugin_loads_total.*$`).FindAll(text, -1))
	}
	list, complaints, err := e.edgeCommand(e.t.Context(), nil, "plugin", "list")
	if err != nil {
		return fmt.Errorf("edge plugin list: %w: %s", err, complaints)
	}
	said = func(line string) bool {
		return strings.Contains(line, " at "+bad.step) && strings.Contains(line, bad.says)
	}
	if !anyLine(string(list), said) {
		return fmt.Errorf("edge plugin list does not tell %q at %s:\n%s", bad.says, bad.step, list)
	}
	return nil
}

func anyLine(text string, match func(string) bool) bool {
	for line := range strings.Lines(text) {
		if match(line) {
			return true
		}
	}
	return false
}

// tolerantLoad asks a URL again and again, and counts what failed, by its kind.
type tolerantLoad struct {
	ended    atomic.Bool // no further request is made
	done     sync.WaitGroup
	answered atomic.Int64

	mu     sync.Mutex
	failed map[string]int
}

func startTolerantLoad(ctx context.Context, connections int, url string) *tolerantLoad {
	l := &tolerantLoad{failed: map[string]int{}}
	for range connections {
		l.done.Go(func() { l.ask(ctx, url) })
	}
	return l
}

func (l *tolerantLoad) ask(ctx context.Context, url string) {
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil && !l.ended.Load() {
		if kind := outcome(ctx, &client, url); kind != "" {
			l.mu.Lock()
			l.failed[kind]++
			l.mu.Unlock()
		}
		l.answered.Add(1)
	}
}

// outcome is how a request failed, "" if it did not: the answer's status and code,
// or the error.
func outcome(ctx context.Context, client *http.Client, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	if resp.StatusCode == http.StatusOK {
		return ""
	}
	var answer struct{ Code string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Sprintf("%d %.80q", resp.StatusCode, body)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, answer.Code)
}

// await returns when so many requests were answered, well or not.
func (l *tolerantLoad) await(t *testing.T, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests are answered", n), func() error {
		if now := l.answered.Load(); now < n {
			return fmt.Errorf("%d", now)
		}
		return nil
	})
}

// stop returns when every request that was made is answered.
func (l *tolerantLoad) stop() (requests int64, failed map[string]int) {
	l.ended.Store(true)
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered.Load(), maps.Clone(l.failed)
}
