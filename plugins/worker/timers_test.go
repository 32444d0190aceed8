package worker

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// TestTimers has timers work across requests: what one set goes off for others.
func TestTimers(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, `
let late: Promise<string>, ticks = 0, interval: any;
const reached = (n: number) => new Promise<void>((resolve) => { const look = () => ticks >= n ? resolve() : setTimeout(look, 1); look(); });
const paths: Record<string, (r: Request) => any> = {
  "/set": () => { late = new Promise((resolve) => setTimeout((a, b) => resolve(a + b), 20, "went ", "off")); return "set"; },
  "/late": () => late,
  "/throws": async () => { setTimeout(() => { throw new RangeError("of a timer") }, 1); await scheduler.wait(30); return "goes on"; },
  "/start": () => { interval = setInterval(() => { ticks++ }, 2); return "started"; },
  "/stop": async () => { await reached(3); clearInterval(interval); const n = ticks; await scheduler.wait(30); return String(ticks === n); },
  "/aborted": async () => { try { await scheduler.wait(60000, { signal: AbortSignal.abort() }) } catch (e: any) { return e.name } },
  "/forgotten": () => { setTimeout(() => {}, 3600000); return "set"; },
};
export default { async fetch(request: Request) { return new Response(await paths[new URL(request.url).pathname](request)) } };
`), nil)
	for _, c := range []struct{ path, want string }{
		{"/set", "set"}, {"/late", "went off"}, {"/throws", "goes on"}, {"/start", "started"}, {"/stop", "true"}, {"/aborted", "AbortError"}, {"/forgotten", "set"},
	} {
		if got := ask(t, p, request(c.path)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
	if !strings.Contains(log.String(), "Uncaught in a timer: RangeError: of a timer") || !strings.Contains(log.String(), "worker.ts:") {
		t.Errorf("the log does not tell of the callback's error:\n%s", log)
	}
}

// TestTopLevel: the edge is not there while a Worker is built.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, source, want string }{
		{"fetch", "await fetch('https://api.example.com/');", "worker.ts:1:7: Error: fetch is not possible at the top level of a Worker"},
		{"timers", "setInterval(() => {}, 1000);", "setInterval is not possible at the top level of a Worker"},
		{"random values", "const key = crypto.getRandomValues(new Uint8Array(8));", "crypto.getRandomValues is not possible"},
		{"names", "const id = crypto.randomUUID();", "crypto.randomUUID is not possible"},
		{"digests", "await crypto.subtle.digest('SHA-1', new Uint8Array(1));", "crypto.subtle.digest is not possible"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := builder(t).Build(t.Context(), write(t, "worker.ts", c.source+"\nexport default { fetch() { return new Response() } };\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestRandom: numbers differ between instances, also when some were taken while the
// Worker was built.
func TestRandom(t *testing.T) {
	t.Parallel()
	module := build(t, "const early = Math.random();\nexport default { fetch() { return new Response([early, Math.random(), Math.random()].join()) } };\n")
	seen := map[string]bool{}
	for range 3 {
		p, _ := serve(t, module, nil)
		parts := strings.Split(ask(t, p, request("/")), ",")
		if len(parts) != 3 || parts[0] != "0.5" || parts[1] == parts[2] {
			t.Fatal(parts)
		}
		if seen[parts[1]] {
			t.Errorf("two instances have %s", parts[1])
		}
		seen[parts[1]] = true
	}
}

// TestConsole looks at what comes into the log, and at which level.
func TestConsole(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, `
export default { fetch() {
  console.debug("one %d", 1); console.log("two", { a: [1, "b"] }); console.warn("three"); console.error("four", new Error("of ours"));
  console.assert(true, "silent"); console.assert(false, "five %s", "x");
  console.group("six"); console.log("inner\nlines"); console.groupEnd(); console.log("outer");
  console.count(); console.count(); console.countReset("none");
  console.time("t"); console.timeEnd("t"); console.timeEnd("t");
  console.table([{ a: 1, b: "x" }]); console.trace("seven"); console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 });
  console.log("lone \ud800"); reportError(new TypeError("reported"));
  return new Response("said");
} };
`), nil)
	if got := ask(t, p, request("/")); got != "said" {
		t.Fatal(got, log)
	}
	said := log.String()
	for _, want := range []string{
		`level=INFO msg="two { a: [ 1, 'b' ] }"`, `level=WARN msg=three`, `level=ERROR msg="four Error: of ours\n    at fetch (worker.ts:3:`,
		`level=ERROR msg="Assertion failed: five x"`, `msg=six`, `msg="  inner\n  lines"`, `msg=outer`, `msg="default: 1"`, `msg="default: 2"`,
		`level=WARN msg="Count for 'none' does not exist"`, `level=WARN msg="No such label 't' for console.time()"`,
		`│ (index) │ a │ b   │\n`, `level=ERROR msg="Trace: seven\n    at fetch (worker.ts:8:`, `msg="{ a: [Object] }"`, "lone \ufffd", `level=ERROR msg="Uncaught TypeError: reported`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Contains(said, "silent") || t.Failed() {
		t.Errorf("log:\n%s", said)
	}
}

// TestConsoleOfRequests has one request write between the lines of another: groups,
// counters and clocks are its own.
func TestConsoleOfRequests(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	p, log := serve(t, build(t, `
import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const name = new URL(request.url).pathname.slice(1);
  console.group("group of " + name); console.time("clock"); console.count("count");
  if (name === "slow") await getSandbox(env.Sandbox, "s").exec("wait");
  console.log("line of " + name); console.timeEnd("clock"); console.count("count"); console.groupEnd();
  return new Response(name);
} };
`), func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		close(begun)
		<-release
		return json.RawMessage(`{"stdout": "", "exitCode": 0, "success": true}`), nil
	})
	slow := make(chan string)
	go func() { slow <- ask(t, p, request("/slow")) }()
	<-begun
	if got := ask(t, p, request("/quick")); got != "quick" {
		t.Error(got)
	}
	close(release)
	if got := <-slow; got != "slow" {
		t.Error(got)
	}
	said := log.String()
	for want, n := range map[string]int{`msg="group of slow"`: 1, `msg="group of quick"`: 1, `msg="  line of slow"`: 1, `msg="  line of quick"`: 1, `msg="  count: 1"`: 2, `msg="  count: 2"`: 2, "No such label": 0} {
		if got := strings.Count(said, want); got != n {
			t.Errorf("%s is there %d times, want %d:\n%s", want, got, n, said)
		}
	}
}
