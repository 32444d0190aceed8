package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// starving is a case of bare: it calls one function again and again with less and less
// memory to be had, until there is none, and says what became of it. The function either
// answers or throws; that there is no memory for the Error is an exception too.
const starving = `
  starve: (req) => {
    const [name, ...values] = JSON.parse(decodeURIComponent(edge.req_get(req, 5)));
    const long = "é€".repeat(9000) + "x".repeat(100), bytes = new Uint8Array(70000), block = "x-a\0é\0".repeat(3000);
    const args = values.map((v) => v === "long" ? long : v === "bytes" ? bytes : v === "block" ? block : v === "latin" ? "é".repeat(70000) : v === "req" ? req : v);
    return starved(() => edge[name](...args));
  },
  result: (req) => later(req, edge.op_start(req, "exec", "{}"), (req, call) => starved(() => edge[edge.req_get(req, 5)](req, call, 0))),
  exhaust: () => { try { for (;;) kept.push(new ArrayBuffer(1 << 16)); } catch {} for (;;) kept.push({}); },
  twice: () => ({ toJSON() { throw "twice" } }),
  relax: () => { kept.length = 0; return "ok"; },
` + evaluating + `}; const kept = []; const starved = (f) => {
    const hoard = [];
    let answered = 0, threw = 0, size = 1 << 16;
    try { for (;;) hoard.push(new ArrayBuffer(1 << 16)); } catch {}
    hoard.length -= 6; // enough for it at first
    for (let i = 0; i < 400; i++) {
      try { f(); answered++; } catch (e) { threw++; }
      try { hoard.push(new ArrayBuffer(size)); } catch { if (size > 64) size >>= 1; }
    }
    hoard.length = 0;
    return answered + threw === 400 && threw > 0 ? "ok" : answered + " answered, " + threw + " threw";
  }; const others = {`

func serves(t *testing.T, p *plugins.Plugin, path string) string { return ask(t, p, request(path)) }

// TestStarved runs functions out of memory wherever they need some: it must be an
// exception, never the end of the instance.
func TestStarved(t *testing.T) {
	t.Parallel()
	op := func(_ context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
		return bytes.Repeat([]byte("[1,2,3],"), 40_000), nil
	}
	p, log := serve(t, bare(t, starving), op, func(s *plugins.Spec) {
		s.Memory = 4 << 20
		s.Config = map[string]json.RawMessage{"text": json.RawMessage(`"` + strings.Repeat("é€", 20_000) + `"`)}
	})
	want := 0
	ask := func(what string, r *abi.Request) string {
		t.Helper()
		got := ask(t, p, r)
		want++
		_ = serves(t, p, "/relax")
		if n := serves(t, p, "/count"); n != strconv.Itoa(want) {
			t.Fatalf("%s: another instance answers (%s, want %d); log:\n%s", what, n, want, log)
		}
		return got
	}
	for _, call := range []string{
		`["utf8_decode", "bytes"]`, `["utf8_encode", "long"]`, `["latin1_decode", "bytes"]`, `["latin1_encode", "latin"]`, `["utf8_check", "long"]`,
		`["config_get", "text"]`, `["random", 60000]`, `["req_headers", "req"]`, `["req_header", "req", "x-long"]`,
		`["respond", 0, 200, "block", "long"]`, `["log", 0, -4, "long", "block"]`, `["digest", 2, null, "long"]`, `["op_start", 0, "long", "long"]`,
		`["count", "long", "block", 1]`, `["connect", 0, "long", "long", 1, "long"]`, `["req_header_set", 0, "long", "latin"]`,
	} {
		r := request("/starve?" + url.PathEscape(call))
		r.Headers = append(r.Headers, header("X-Long", strings.Repeat("\xe9", 60_000)))
		if got := ask(call, r); got != "ok" {
			t.Errorf("%s: %s", call, got)
		}
	}
	for _, f := range []string{"result_text", "result_bytes", "result_json", "result_message"} {
		if got := ask(f, request("/result?"+f)); got != "ok" {
			t.Errorf("%s: %s", f, got)
		}
	}
	// A heap of what refers to itself is gone for the next.
	cycle := "const all = []; try { for (;;) all.push({ all, some: new Array(100).fill(0) }) } catch (e) { return String(e) }"
	for range 3 {
		if got := ask("a cycle", request("/eval?"+url.PathEscape(cycle))); got != "InternalError: out of memory" && got != "null" { // no memory for an Error
			t.Errorf("a cycle: %s", got)
		}
		if got := ask("after a cycle", request("/eval?"+url.PathEscape("return String(new Array(100000).fill(0).length)"))); got != "100000" {
			t.Errorf("after a cycle: %s", got)
		}
	}
	// What has no memory left even to say so is answered for.
	got := ask("exhaust", request("/exhaust"))
	if !strings.HasSuffix(got, "out of memory") {
		t.Errorf("exhausted: %s", got)
	}
	if got := ask("failing twice", request("/twice")); got != "error PLUGIN_FAILED: the Worker ran out of memory" {
		t.Errorf("failing twice: %s", got)
	}
}
