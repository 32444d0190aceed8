package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

const (
	// patience bounds every wait for something that happens at once.
	patience = 2 * time.Minute
	// forever is a bound that no test waits for.
	forever = time.Hour
)

// errorOf is the error that Decide returns.
func errorOf(t testing.TB, p *plugins.Plugin, r *abi.Request) *abi.Error {
	t.Helper()
	d, err := p.Decide(t.Context(), r)
	var e *abi.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %+v, %v; want an error of the edge", d, err)
	}
	return e
}

// saysSoon waits for a text in the log.
func saysSoon(t testing.TB, log *book, want string) {
	t.Helper()
	late := time.After(patience)
	for {
		text, grown := log.next()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("no %q in\n%s", want, text)
		}
	}
}

// TestFailures has a Worker fail in each way: the client is told what it may know, the
// log the rest, and the next request is served by the same instance.
func TestFailures(t *testing.T) {
	t.Parallel()
	source := `
let served = 0;
const cases: Record<string, (r: Request) => any> = {
  throws: () => { throw new RangeError("of ours") },
  rejects: async () => { await null; throw new RangeError("later") },
  cause: () => { throw new Error("outer", { cause: new TypeError("inner") }) },
  string: () => { throw "a string" },
  undefined: () => undefined,
  object: () => ({ status: 200 }),
  null: async () => null,
  error: () => Response.error(),
  never: () => new Promise(() => {}),
  nevers: async () => { await new Promise(() => {}); return new Response() },
  body: async () => { const r = new Response("x"); await r.text(); return r },
  locked: () => { const r = new Response("x"); r.body!.getReader(); return r },
  read: async (request) => { await request.text(); return new Response(await request.text()) },
  immutable: (request) => { request.headers.set("a", "b"); return new Response() },
  thenable: () => ({ then(f: any) { f(new Response("from a thenable")) } }),
  getter: () => ({ get then() { throw new RangeError("in then") } }),
};
export default { fetch(request: Request) {
  const f = cases[new URL(request.url).pathname.slice(1)];
  if (f) return f(request);
  return new Response("served " + ++served);
} };
`
	p, log := serve(t, build(t, source), nil)
	post := func(path string) *abi.Request {
		r := request(path)
		r.Method, r.Body, r.ContentLength = "POST", strings.NewReader("once"), 4
		r.Headers = append(r.Headers, abi.Header{Name: "Content-Length", Value: "4"})
		return r
	}
	for i, c := range []struct{ name, message, log string }{
		{"throws", "the Worker threw an exception", "Uncaught RangeError: of ours"},
		{"rejects", "the Worker threw an exception", "Uncaught RangeError: later"},
		{"cause", "the Worker threw an exception", "caused by TypeError: inner"},
		{"string", "the Worker threw an exception", "Uncaught a string"},
		{"undefined", "the Worker threw an exception", "did not return a Response, but undefined"},
		{"object", "the Worker threw an exception", "did not return a Response, but another object"},
		{"null", "the Worker threw an exception", "did not return a Response, but null"},
		{"error", "the Worker threw an exception", "Response.error() cannot be returned"},
		{"never", "the Worker will never answer this request", "its promise waits for nothing"},
		{"nevers", "the Worker will never answer this request", "Is a resolve() or a return missing?"},
		{"body", "the Worker threw an exception", "Body has already been used"},
		{"locked", "the Worker threw an exception", "locked to a reader"},
		{"read", "the Worker threw an exception", "or clone() before the first use"},
		{"immutable", "the Worker threw an exception", "Can't modify immutable headers"},
		{"getter", "the Worker threw an exception", "RangeError: in then"},
	} {
		e := errorOf(t, p, post("/"+c.name))
		if e.Code != abi.CodePluginFailed || e.Message != c.message || e.Retryable {
			t.Errorf("%s: got %v", c.name, e)
		}
		saysSoon(t, log, c.log)
		if got, want := ask(t, p, request("/")), fmt.Sprint("served ", i+1); got != want {
			t.Errorf("after %s: got %q, want %q", c.name, got, want)
		}
	}
	if got := ask(t, p, request("/thenable")); got != "from a thenable" {
		t.Error(got)
	}
}

// TestRejections has the log tell of rejections that nobody handles, and of no others.
func TestRejections(t *testing.T) {
	t.Parallel()
	source := `
export default { async fetch(request: Request, env: any, ctx: any) {
  switch (new URL(request.url).pathname) {
  case "/unhandled": Promise.reject(new RangeError("nobody looks")); break;
  case "/late": { const p = Promise.reject(new Error("somebody looks")); await null; await p.catch(() => {}); break }
  case "/until": ctx.waitUntil(Promise.reject(new Error("in the background"))); break;
  }
  return new Response("went on");
} };
`
	p, log := serve(t, build(t, source), nil)
	for _, path := range []string{"/unhandled", "/late", "/until"} {
		if got := ask(t, p, request(path)); got != "went on" {
			t.Error(path, got)
		}
	}
	saysSoon(t, log, "Unhandled promise rejection: RangeError: nobody looks\\n    at fetch (worker.ts:4:")
	saysSoon(t, log, "Uncaught in waitUntil(): Error: in the background")
	if strings.Contains(log.String(), "somebody looks") {
		t.Error(log)
	}
}

// TestOthersGoOn stops one request of an instance while another waits there: only the
// first fails, and the log says why.
func TestOthersGoOn(t *testing.T) {
	t.Parallel()
	source := `
import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const path = new URL(request.url).pathname;
  if (path === "/loop") for (;;) {}
  if (path === "/late") { await null; for (;;) {} }
  if (path === "/memory") { const a: any[] = []; for (;;) a.push(new Uint8Array(1 << 20)) }
  const p: any = await getSandbox(env.Sandbox, "s").exec("wait");
  return new Response(p.stdout);
} };
`
	module := build(t, source)
	for _, c := range []struct {
		path    string
		compute time.Duration
		code    abi.Code
		text    string
	}{
		{"/loop", time.Second, abi.CodeTimeout, "Stopped: the Worker computed for longer than a request may"},
		{"/late", time.Second, abi.CodeTimeout, "Stopped: the Worker computed for longer than a request may"},
		{"/memory", forever, abi.CodePluginFailed, "Out of memory: the Worker reached its limit"},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			started, release := make(chan struct{}, 1), make(chan struct{})
			p, log := serve(t, module, held(started, release), func(s *plugins.Spec) { s.Compute, s.Memory = c.compute, 32<<20 })
			waited := make(chan string, 1)
			var waiting sync.WaitGroup
			waiting.Go(func() { waited <- ask(t, p, request("/wait")) })
			<-started
			if e := errorOf(t, p, request(c.path)); e.Code != c.code || !strings.Contains(log.String(), c.text) {
				t.Errorf("got %v; log:\n%s", e, log)
			}
			close(release)
			waiting.Wait()
			if got := <-waited; got != "waited" {
				t.Errorf("the request that waited got %q; log:\n%s", got, log)
			}
		})
	}
}

// held is a sandbox whose commands end when release is closed.
func held(started chan<- struct{}, release <-chan struct{}) operate {
	return func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		started <- struct{}{}
		select {
		case <-release:
			return json.RawMessage(`{"stdout": "waited", "exitCode": 0, "success": true}`), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TestLogOfRequests has each line of the log name the request that wrote it, after
// awaits too, with many in one instance.
func TestLogOfRequests(t *testing.T) {
	t.Parallel()
	const n = 40
	source := `
import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const id = new URL(request.url).searchParams.get("id");
  const sandbox = getSandbox(env.Sandbox, "s");
  await sandbox.exec("one");
  console.log("first of " + id);
  await sandbox.exec("two");
  await null;
  console.log("second of " + id);
  return new Response(id);
} };
`
	p, log := serve(t, build(t, source), func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`{"stdout": "", "exitCode": 0, "success": true}`), nil
	})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r := request(fmt.Sprintf("/?id=%d.", i))
			r.ID = fmt.Sprintf("request-%d.", i)
			ask(t, p, r)
		})
	}
	wg.Wait()
	lines := strings.Split(log.String(), "\n")
	for i := range n {
		for _, text := range []string{"first of", "second of"} {
			found := false
			for _, line := range lines {
				found = found || strings.Contains(line, fmt.Sprintf("%s %d.\"", text, i)) && strings.Contains(line, fmt.Sprintf("request=request-%d.", i))
			}
			if !found {
				t.Errorf("no line %q of request %d with its id", text, i)
			}
		}
	}
}

// TestWaitUntil goes on after the answer: two operations, one after the other.
func TestWaitUntil(t *testing.T) {
	t.Parallel()
	source := `
import { getSandbox } from "@cloudflare/sandbox";
export default { fetch(request: Request, env: any, ctx: any) {
  const sandbox = getSandbox(env.Sandbox, "s");
  ctx.waitUntil((async () => {
    await sandbox.exec("first");
    await sandbox.exec("second " + new URL(request.url).pathname);
    console.log("all done for " + request.headers.get("user-agent"));
  })());
  return new Response("answered");
} };
`
	commands, release := make(chan string, 2), make(chan struct{})
	p, log := serve(t, build(t, source), func(_ context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
		var q struct{ Command string }
		_ = json.Unmarshal(body, &q)
		commands <- q.Command
		<-release
		return json.RawMessage(`{"stdout": "", "exitCode": 0, "success": true}`), nil
	})
	if got := ask(t, p, request("/a")); got != "answered" {
		t.Fatal(got, log)
	}
	close(release)
	for _, want := range []string{"first", "second /a"} {
		select {
		case got := <-commands:
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%q was not run; log:\n%s", want, log)
		}
	}
	saysSoon(t, log, "all done for test/1")
}

// TestCancel has the client go away while the Worker waits.
func TestCancel(t *testing.T) {
	t.Parallel()
	source := `
import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const { signal } = request;
  signal.addEventListener("abort", () => console.log("gone: " + signal.aborted + " " + signal.reason.name));
  await getSandbox(env.Sandbox, "s").exec("wait");
  return new Response("too late");
} };
`
	started := make(chan struct{}, 1)
	p, log := serve(t, build(t, source), func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = p.Decide(ctx, request("/")) })
	select {
	case <-started:
	case <-time.After(patience):
		t.Fatal("the operation was not started", log)
	}
	leave()
	wg.Wait()
	saysSoon(t, log, "gone: true AbortError")
}
