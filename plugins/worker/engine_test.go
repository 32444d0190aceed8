package worker

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"edge/plugins"
	"edge/plugins/worker/link"
)

// The tests of this file run the linked engine with a runtime of their own, a few lines
// instead of shim's, so that they see what the functions do themselves.

// linked is the engine, linked once.
var linked = sync.OnceValues(func() (*link.Module, error) {
	engine, err := os.ReadFile(engineFile)
	if err != nil {
		return nil, err
	}
	return link.Link(engine)
})

// evaluator runs the engine while tests build.
var evaluator = sync.OnceValue(func() *plugins.Evaluator {
	return plugins.NewEvaluator(plugins.EvaluateOptions{CacheDir: cacheDir})
})

// bare makes a module whose runtime is the script. edge.onRequest of it calls the
// function of the path's name in cases, and answers with what that returns: a string as
// it is, anything else as JSON. What it throws is answered as "throws NAME: MESSAGE".
func bare(t testing.TB, cases string) []byte {
	t.Helper()
	m, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	const runtime = `
const edge = globalThis.__edge;
const calls = new Map();
const later = (req, call, f) => { if (call < 0) return call; calls.set(call, () => answer(req, f(req, call))); };
const answer = (req, r) => { if (r !== undefined) edge.respond(req, 200, "", typeof r === "string" ? r : JSON.stringify(r)); };
const attempt = (f) => { try { return f(); } catch (e) { return "throws " + e; } };
const hex = (b) => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
edge.onRequest = (req) => answer(req, attempt(() => cases[edge.req_get(req, 4).slice(1)](req)));
edge.onComplete = (req, call, errno) => { const f = calls.get(call); calls.delete(call); if (f) answer(req, attempt(() => f())); };
edge.onError = (e, req) => { if (e === "twice") throw e; answer(req, "stopped " + e); };
const cases = {`
	var memory []byte
	run := func(f func(g plugins.Guest) error) {
		t.Helper()
		if err := evaluator().Run(t.Context(), m.Building(), f); err != nil {
			t.Fatal(err)
		}
	}
	run(func(g plugins.Guest) (err error) {
		memory, err = m.Compile(g, link.Script{Name: "bare.js", Source: runtime + cases + "};"})
		return err
	})
	run(func(g plugins.Guest) (err error) {
		memory, err = m.Start(g, memory)
		return err
	})
	return m.Bake(memory, []byte(`{"open":1024,"optional":true}`))
}

// evaluating is a case of bare: the JavaScript of the query, which knows req and edge.
const evaluating = `
  eval: (req) => new Function("req", "edge", "hex", "later", "attempt", decodeURIComponent(edge.req_get(req, 5)))(req, edge, hex, later, attempt),
  count: () => String(++count),
}; let count = 0; const more = {`

// evaluateIn asks the plugin, a bare one with evaluating, for what the script returns.
func evaluateIn(t testing.TB, p *plugins.Plugin, script string) string {
	t.Helper()
	return ask(t, p, request("/eval?"+url.PathEscape(script)))
}

// TestInterrupted stops what computes for too long wherever it does: only its request
// ends, and the instance lives on.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	p, log := serve(t, bare(t, evaluating), func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage("{}"), nil
	}, func(s *plugins.Spec) { s.Compute, s.Deadline = time.Second, time.Minute })
	const stopped = "stopped InternalError: interrupted"
	for i, c := range []struct{ name, script, want string }{
		{"loop", "try { for (;;) {} } catch (e) { return 'caught' } finally { return 'went on' }", stopped},
		{"jobs for ever", "const f = () => Promise.resolve().then(f); f()", stopped},
		{"awaits for ever", "(async () => { for (;;) await null })()", stopped},
		{"loops that leave loops", "const f = () => { Promise.resolve().then(f); Promise.resolve().then(f); for (;;) {} }; f()", stopped},
		{"after the decision", "edge.respond(req, 200, '', 'decided'); for (;;) {}", "decided"},
		{"RegExp", "return /^(a+)+$/.test('a'.repeat(40) + 'b')", stopped},
		{"a completed call", "return later(req, edge.op_start(req, 'exec', '{}'), () => { for (;;) {} })", stopped},
	} {
		if got := evaluateIn(t, p, c.script); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if got, want := ask(t, p, request("/count")), strconv.Itoa(i+1); got != want {
			t.Fatalf("%s: another instance answers (%s, want %s); log:\n%s", c.name, got, want, log)
		}
	}
}
