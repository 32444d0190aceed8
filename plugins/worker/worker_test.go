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

// TestAwaited has many requests wait for their operation in one instance.
func TestAwaited(t *testing.T) {
	t.Parallel()
	const n = 120
	started, release := make(chan struct{}, n), make(chan struct{})
	p, log := serve(t, build(t, "testdata/ws.ts"), func(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
		started <- struct{}{}
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
		case <-started:
		case <-time.After(patience):
			t.Errorf("only %d of %d started", i, n)
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

// served is a Worker that answers with a case and how many answers its instance gave.
func served(cases string) string {
	return `
let served = 0;
const cases: Record<string, (r: Request) => any> = {` + cases + `
  fine: () => "fine",
};
export default { async fetch(request: Request) {
  const answer = await cases[new URL(request.url).pathname.slice(1)](request);
  return new Response(answer + " " + ++served);
} };
`
}

// TestStopped has requests compute for longer than they may: JavaScript cannot catch
// that, and the instance goes on as it was.
func TestStopped(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, served(`
  loop: () => { try { for (;;) {} } catch (e) { return "caught " + e } finally { served += 1000 } },
  lateloop: async () => { await null; try { for (;;) {} } catch (e) { return "caught " + e } },
  regexp: () => /^(a+)+$/.test("a".repeat(40) + "b"),`)), nil, func(s *plugins.Spec) { s.Compute = time.Second })
	for i, c := range []string{"loop", "lateloop", "regexp"} {
		if e := errorOf(t, p, request("/"+c)); e.Code != abi.CodeTimeout || e.Message != "the Worker computed for longer than a request may" {
			t.Errorf("%s: got %v", c, e)
		}
		if got, want := ask(t, p, request("/fine")), fmt.Sprint("fine ", i+1); got != want {
			t.Errorf("after %s: got %q, want %q; log:\n%s", c, got, want, log)
		}
	}
}

// TestExhausted has requests take all of the stack or of memory: some catch that, the
// others fail, and the instance goes on as it was.
func TestExhausted(t *testing.T) {
	t.Parallel()
	const failed = "error PLUGIN_FAILED: the Worker ran out of memory"
	p, log := serve(t, build(t, served(`
  stack: () => { function f(n: number): number { return f(n + 1) + 1 } try { return f(0) } catch (e) { return "caught " + e } },
  json: () => { let s: any = []; for (let i = 0; i < 200000; i++) s = [s]; try { return JSON.stringify(s).length } catch (e) { return "caught " + e } },
  buffers: () => { const a: any[] = []; try { for (;;) a.push(new Uint8Array(1 << 20).fill(1)) } catch (e) { const n = a.length; a.length = 0; return n > 8 ? "caught " + e : "early " + e } },
  string: () => { let s = "abcdefgh"; try { for (;;) s += s + "\u00e9" } catch (e) { return "caught " + e } },
  objects: () => { let a: any = []; try { for (;;) a.push({ a: [a.length], s: "x" + a.length }) } catch (e) { a = null; return "caught" } },
  uncaught: () => { const a: any[] = []; for (;;) a.push({ a: [a.length] }) },
  late: async () => { await null; const a: any[] = []; for (;;) a.push({ a: [a.length] }) },
  closures: () => { let f: any = () => 0; for (;;) { const g = f; f = () => g() } },
  map: () => { const m = new Map(); for (let i = 0;; i++) m.set("k" + i, i) },
  promises: async () => { const l: any[] = []; for (;;) { const p = new Promise(() => {}); l.push(p.then(() => 1)) } },`)),
		nil, func(s *plugins.Spec) { s.Compute, s.Memory = 5*time.Minute, 24<<20 })
	answers := 0
	for _, c := range []struct{ name, want string }{
		{"stack", "caught RangeError: Maximum call stack size exceeded"},
		{"json", "caught RangeError: Maximum call stack size exceeded"},
		{"buffers", "caught InternalError: out of memory"},
		{"string", "caught InternalError: string too long"},
		{"objects", "caught"},
		{"uncaught", failed}, {"late", failed}, {"closures", failed}, {"map", failed}, {"promises", failed},
		{"objects", "caught"},
	} {
		if c.want != failed {
			answers++
			c.want += fmt.Sprint(" ", answers)
		}
		if got := ask(t, p, request("/"+c.name)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		answers++
		if got, want := ask(t, p, request("/fine")), fmt.Sprint("fine ", answers); got != want {
			t.Fatalf("after %s: got %q, want %q; log:\n%s", c.name, got, want, log)
		}
	}
}

// TestFuel has an endless loop stopped before it has used up its fuel, which would end the
// instance.
func TestFuel(t *testing.T) {
	t.Parallel()
	source := "export default { async fetch(r: Request) { if (r.url.includes('loop')) for (;;) {}\n return new Response('fine') } }\n"
	p, log := serve(t, build(t, source), nil, func(s *plugins.Spec) { s.Fuel = 1e9 })
	if e := errorOf(t, p, request("/loop")); e.Code != abi.CodeTimeout || !strings.Contains(log.String(), "interrupted") {
		t.Errorf("got %v; log:\n%s", e, log)
	}
	if got := ask(t, p, request("/")); got != "fine" {
		t.Errorf("got %q; log:\n%s", got, log)
	}
}

// TestValues sends unusual values through every way there is.
func TestValues(t *testing.T) {
	t.Parallel()
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
	want := `{"header":"café","length":15,"same":true,"code":"6e 75 6c 0 20 6c 6f 6e 65 fffd 20 1f600 20 e9 78 78 78","error":"FILE_NOT_FOUND: no such thing",` +
		`"random":true,"date":true,"zone":"Thu Jan 01 1970 00:00:00 GMT+0000"}`
	if got := ask(t, p, r); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	saysSoon(t, log, `"line nul\x00 lone� 😀 é undefined null 1n Symbol(s) { a: 1 }"`)
}

// TestPlain has a trial decide a request that needs nothing.
func TestPlain(t *testing.T) {
	t.Parallel()
	trial, err := plugins.OpenTrial(t.Context(), plugins.Config{}, plugins.Spec{Name: "p", Deadline: forever, Compute: forever}, build(t, "testdata/plain.ts"))
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close()
	d, _, err := trial.Decide(t.Context(), request("/a?b"), plugins.Services{})
	if err != nil {
		t.Fatal(err, trial.Output())
	}
	if got := string(d.(*abi.Respond).Body); got != "GET /a test/1" {
		t.Errorf("got %q", got)
	}
}

// TestPositions has errors name the lines of the source.
func TestPositions(t *testing.T) {
	t.Parallel()
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
