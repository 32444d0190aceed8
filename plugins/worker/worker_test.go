package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

// TestAwaited has many requests wait for their operation in one instance, which
// end in the opposite order.
func TestAwaited(t *testing.T) {
	const n = 120
	started, release := make(chan string, n), make(chan struct{})
	p, log := serve(t, build(t, "testdata/ws.ts"), func(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
		started <- string(body)
		<-release
		return startProcess(ctx, name, body)
	})
	var wg sync.WaitGroup
	got := make([]string, n)
	for i := range n {
		wg.Go(func() { got[i] = ask(t, p, upgrade(fmt.Sprintf("/ws?id=s%d", i))) })
	}
	for i := range n {
		select {
		case b := <-started:
			if i == 0 {
				t.Log(b)
			}
		case <-time.After(3 * time.Second):
			t.Errorf("only %d of %d started", i, n)
			i = n
		}
		if t.Failed() {
			break
		}
	}
	close(release)
	wg.Wait()
	for i, g := range got {
		if want := fmt.Sprintf("connect Sandbox/s%d:8080", i); g != want {
			t.Fatalf("request %d got %q, want %q; log:\n%s", i, g, want, log)
		}
	}
}

// TestStopped runs what must be stopped, and what JavaScript catches itself. All
// but fuel leave the instance as it was.
func TestStopped(t *testing.T) {
	source := `
let served = 0;
const cases: Record<string, (r: Request) => any> = {
  fine: () => "fine",
  loop: () => { try { for (;;) {} } catch (e) { return "caught " + e } finally { served += 1000 } },
  lateloop: async () => { await null; try { for (;;) {} } catch (e) { return "caught " + e } },
  regexp: () => /^(a+)+$/.test("a".repeat(40) + "b"),
  memory: () => { const a: any[] = []; try { for (;;) a.push(new Uint8Array(1 << 20).fill(1)) } catch (e) { const n = a.length; a.length = 0; return n > 8 ? "caught " + e : "early " + e } },
  objects: () => { let a: any = []; try { for (;;) a.push({ a: [a.length], s: "x" + a.length }) } catch (e) { a = null; return "caught " + e } },
  uncaught: () => { const a: any[] = []; for (;;) a.push({ a: [a.length] }) },
  string: () => { let s = "abcdefgh"; try { for (;;) s += s + "é" } catch (e) { return "caught " + e } },
  stack: () => { function f(n: number): number { return f(n + 1) + 1 } try { return f(0) } catch (e) { return "caught " + e } },
  json: () => { let s: any = []; for (let i = 0; i < 200000; i++) s = [s]; try { return JSON.stringify(s).length } catch (e) { return "caught " + e } },
  throws: () => { throw new RangeError("of ours") },
  rejects: async () => { await null; throw new RangeError("later") },
  unhandled: async () => { Promise.reject(new Error("nobody looks")); return "went on" },
  handled: async () => { const p = Promise.reject(new Error("somebody looks")); await null; try { await p } catch (e: any) { return e.message } },
  nothing: () => undefined,
  never: () => new Promise(() => {}),
};
export default { async fetch(request: Request) {
  const r = await cases[new URL(request.url).pathname.slice(1)](request);
  return r === undefined ? r : new Response(r + " " + ++served);
} };
`
	module := build(t, source)
	p, log := serve(t, module, nil, func(s *plugins.Spec) { s.Memory, s.Deadline = 32<<20, 3*time.Second })
	for _, c := range []string{"fine", "loop", "fine", "lateloop", "fine", "stack", "throws", "rejects", "unhandled", "handled", "nothing", "json", "regexp", "memory", "fine", "string", "fine", "objects", "fine", "uncaught", "fine", "never", "fine"} {
		begun := time.Now()
		t.Logf("%-10s %-70s %v", c, ask(t, p, request("/"+c)), time.Since(begun).Round(time.Millisecond))
	}
	t.Log(log)
}

// TestFuel has an endless loop stopped before it has used up its fuel, which would end the
// instance.
func TestFuel(t *testing.T) {
	source := "export default { async fetch(r: Request) { if (r.url.includes('loop')) for (;;) {}\n return new Response('fine') } }\n"
	p, log := serve(t, build(t, source), nil, func(s *plugins.Spec) { s.Fuel = 50e6 })
	begun := time.Now()
	got := ask(t, p, request("/loop"))
	t.Log(got, time.Since(begun))
	if ask(t, p, request("/")) != "fine" {
		t.Error(log)
	}
	if !strings.Contains(log.String(), "interrupted") {
		t.Error(got, log)
	}
}

// TestValues sends unusual values through every way there is.
func TestValues(t *testing.T) {
	source := `
import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const sandbox = getSandbox(env.Sandbox, "a\u0000b");
  const big = "x".repeat(300000), odd = "nul\u0000 lone\ud800 \u{1f600} \u00e9";
  const out: any = { header: request.headers.get("x-latin") };
  const p: any = await sandbox.exec(odd + big);
  out.length = p.stdout.length - big.length; out.same = p.stdout.startsWith("nul\u0000 lone"); out.code = [...p.stdout.slice(0, 18)].map((c) => c.codePointAt(0)!.toString(16)).join(" ");
  try { await sandbox.exec("fail") } catch (e: any) { out.error = e.code + ": " + e.message }
  console.log("line", odd, undefined, null, 1n, Symbol("s"), { a: 1 });
  out.random = Math.random() !== Math.random();
  out.date = Date.now() > 1e12;
  out.zone = new Date(0).toString();
  return new Response(JSON.stringify(out));
} };
`
	p, log := serve(t, build(t, source), func(_ context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
		var q struct{ Command string }
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		if q.Command == "fail" {
			return nil, abi.Errorf(abi.CodeFileNotFound, "no such thing")
		}
		return json.Marshal(map[string]any{"stdout": q.Command})
	})
	r := request("/")
	r.Headers = append(r.Headers, abi.Header{Name: "X-Latin", Value: "caf\xe9"})
	t.Log(ask(t, p, r))
	t.Log(log)
}

func TestPlain(t *testing.T) {
	start := time.Now()
	m := build(t, "testdata/plain.ts")
	t.Logf("build %v, %d bytes", time.Since(start), len(m))
	trial, err := plugins.OpenTrial(t.Context(), plugins.Config{}, plugins.Spec{Name: "p"}, m)
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close()
	d, _, err := trial.Decide(t.Context(), request("/a?b"), plugins.Services{})
	t.Log(trial.Output(), trial.Memory())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(d.(*abi.Respond).Body); got != "GET /a test/1" {
		t.Errorf("got %q", got)
	}
}

// TestReload prints how long it takes from a source to code that serves.
func TestReload(t *testing.T) {
	for i := range 4 {
		begun := time.Now()
		m := build(t, fmt.Sprintf("export default { fetch() { return new Response('version %d') } }\n", i))
		built := time.Since(begun)
		p, _ := serve(t, m, nil)
		loaded := time.Since(begun)
		t.Log(built, loaded-built, ask(t, p, request("/")), time.Since(begun)-loaded)
	}
}

// TestMemory exhausts the memory without a bound of time: only the request that
// does so fails.
func TestMemory(t *testing.T) {
	source := `
const cases: Record<string, () => any> = {
  fine: () => "fine",
  objects: () => { let a: any = []; try { for (;;) a.push({ a: [a.length], s: "x" + a.length }) } catch (e) { a = null; return "caught " + e } },
  uncaught: () => { const a: any[] = []; for (;;) a.push({ a: [a.length] }) },
  late: async () => { await null; const a: any[] = []; for (;;) a.push({ a: [a.length] }) },
  closures: () => { let f: any = () => 0; for (;;) { const g = f; f = () => g() } },
  map: () => { const m = new Map(); for (let i = 0;; i++) m.set("k" + i, i) },
  promises: async () => { const l: any[] = []; for (;;) { const p = new Promise(() => {}); l.push(p.then(() => 1)) } },
};
export default { async fetch(request: Request) { return new Response(await cases[new URL(request.url).pathname.slice(1)]()) } };
`
	p, log := serve(t, build(t, source), nil, func(s *plugins.Spec) { s.Memory = 16 << 20 })
	for _, c := range []string{"fine", "objects", "fine", "uncaught", "fine", "late", "fine", "closures", "fine", "map", "fine", "promises", "fine", "objects", "fine"} {
		begun := time.Now()
		t.Logf("%-10s %-70s %v", c, ask(t, p, request("/"+c)), time.Since(begun).Round(time.Millisecond))
	}
	t.Log(log)
}

// TestPositions has errors name the lines of the source.
func TestPositions(t *testing.T) {
	source := `interface Shape { a: number }

type Other = string | number;
function deep(n: number): Response {
  if (n === 0) throw new RangeError("at the bottom"); // line 5
  return deep(n - 1); // line 6
}
export default { async fetch(): Promise<Response> {
  await null;
  return deep(2); // line 10
} };
`
	p, log := serve(t, build(t, source), nil)
	ask(t, p, request("/"))
	for _, want := range []string{"deep (worker.ts:5:", "deep (worker.ts:6:", "fetch (worker.ts:10:"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}
