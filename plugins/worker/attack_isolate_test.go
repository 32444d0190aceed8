package worker

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"edge/plugins"
)

// TestAttackRejectionThatNeverEnds rejects a promise with a value that computes for
// ever when it is shown. The requests after it are not asked to show it again.
func TestAttackRejectionThatNeverEnds(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, `
		const endless = () => { for (;;); };
		export default { fetch(request: Request) {
			if (request.url.endsWith("/poison")) Promise.reject({ toJSON: endless });
			return new Response("answered");
		} };`), nil, func(s *plugins.Spec) { s.Compute = 2 * time.Second })
	for _, path := range []string{"/poison", "/after", "/after"} {
		if got := ask(t, p, request(path)); got != "answered" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if n := strings.Count(log.String(), "interrupted"); n != 1 {
		t.Errorf("%d entries were interrupted, want 1:\n%s", n, log)
	}
}

// TestAttackErrorsThatThrow throws what throws when it is looked at. Those requests
// are answered although another waits in the isolate, whose wait would hide that
// nothing can answer them any more.
func TestAttackErrorsThatThrow(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, `
		const no = (): never => { throw new Error("not even that"); };
		const odd = (key: string) => Object.defineProperty(new Error("odd"), key, { get: no });
		let release: (r: Response) => void;
		export default { async fetch(request: Request) {
			const what = request.url.slice(request.url.lastIndexOf("/") + 1);
			if (what === "release") release(new Response("released"));
			if (what === "wait") return new Promise<Response>((r) => { release = r; setTimeout(() => {}, 60000); });
			await null;
			if (what === "proxy") throw new Proxy({}, { get: no, getPrototypeOf: no, ownKeys: no, has: no });
			if (what !== "release") throw odd(what);
			return new Response("done");
		} };`), nil)
	wait := make(chan string)
	go func() { wait <- ask(t, p, request("/wait")) }()
	for _, path := range []string{"/name", "/message", "/stack", "/cause", "/code", "/proxy"} {
		got := make(chan string, 1)
		go func() { got <- ask(t, p, request(path)) }()
		select {
		case answer := <-got:
			if !strings.Contains(answer, "the Worker threw an exception") {
				t.Errorf("%s: %s", path, answer)
			}
		case <-time.After(patience):
			t.Errorf("%s was not answered:\n%s", path, log)
		}
	}
	if got := ask(t, p, request("/release")); got != "done" {
		t.Error(got)
	}
	if got := <-wait; got != "released" {
		t.Error(got)
	}
}

// TestAttackPromiseOfARequestThatIsOver keeps the promise of an operation in a global,
// as programs do with what is to be started once. When the request that began it has
// its answer, or its client has left, whoever waits for it is told.
func TestAttackPromiseOfARequestThatIsOver(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 1)
	op := operate(func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	p, log := serve(t, build(t, `
		import { getSandbox } from "@cloudflare/sandbox";
		let ready: Promise<unknown>;
		export default { async fetch(request: Request, env: any) {
			const what = request.url.slice(request.url.lastIndexOf("/") + 1);
			if (what === "later") {
				setTimeout(() => {}, 60000); // so that it is not plain that nothing can happen
				try { await ready; } catch (e: any) { return new Response(e.code); }
				return new Response("ready");
			}
			ready = getSandbox(env.Sandbox, "a").exec("boot");
			if (what === "answer") return new Response("begun");
			await ready;
			return new Response("ready");
		} };`), op)
	later := func(t *testing.T) {
		t.Helper()
		got := make(chan string, 1)
		go func() { got <- ask(t, p, request("/later")) }()
		select {
		case answer := <-got:
			if answer != "CLOSED" {
				t.Error(answer)
			}
		case <-time.After(patience):
			t.Error("not answered")
		}
	}
	if got := ask(t, p, request("/answer")); got != "begun" {
		t.Fatal(got)
	}
	<-begun
	later(t)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := p.Decide(ctx, request("/leave"))
		left <- err
	}()
	<-begun
	leave()
	if err := <-left; err == nil {
		t.Error("a client that left was answered")
	}
	later(t)
	if strings.Contains(log.String(), "rejection") {
		t.Errorf("the log tells of what nobody waited for:\n%s", log)
	}
}

// TestAttackReplacedLanguage has a request replace what the runtime is made with. Such a
// Worker may break its own answers, but each request gets one, and none gets at another.
func TestAttackReplacedLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, deed, want string }{
		{"Map.get", "Map.prototype.get = () => undefined", "hello"},
		{"Map.get that throws", "Map.prototype.get = () => { throw new Error('get') }", "hello"},
		{"Map.set", "Map.prototype.set = function () { stolen.push(this); return this }", "hello"},
		{"Map, the rest", "for (const m of ['delete', 'has', 'forEach', 'values', 'entries', Symbol.iterator]) (Map.prototype as any)[m] = () => { throw new Error('map') }", "hello"},
		{"JSON", "JSON.parse = JSON.stringify = () => { throw new Error('json') }", "hello"},
		{"then", "(Promise.prototype as any).then = () => {}", "hello"},
		{"Array iterator", "Array.prototype[Symbol.iterator] = () => { throw new Error('iterator') }", "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, log := serve(t, build(t, `
				const stolen: unknown[] = [];
				export default { async fetch(request: Request) {
					if (request.url.endsWith("/deed")) { `+c.deed+`; return new Response("done"); }
					if (request.url.endsWith("/throw")) { await null; throw new Error("on purpose"); }
					if (request.url.endsWith("/stolen")) return new Response(String(stolen.length));
					if (request.url.endsWith("/wait")) await new Promise<void>((r) => { setTimeout(r, 500); });
					return new Response("hello");
				} };`), nil)
			wait := make(chan string, 1)
			go func() { wait <- ask(t, p, request("/wait")) }()
			if got := ask(t, p, request("/deed")); got != "done" {
				t.Error(got)
			}
			for path, want := range map[string]string{"/": c.want, "/wait": c.want, "/throw": "threw an exception", "/stolen": "0"} {
				got := make(chan string, 1)
				go func() { got <- ask(t, p, request(path)) }()
				select {
				case answer := <-got:
					if !strings.Contains(answer, want) {
						t.Errorf("%s: %s, want %s", path, answer, want)
					}
				case <-time.After(patience):
					t.Errorf("%s was not answered:\n%s", path, log)
				}
			}
			if got := <-wait; got != c.want {
				t.Errorf("a request that waited: %s", got)
			}
		})
	}
}

// TestAttackTimers has a request set timers for ever, and a callback of one that it
// could set. Others of the isolate have theirs; what was cleared or went off is free.
func TestAttackTimers(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, `
		const endless: any[] = [], wait = () => new Promise((r) => setTimeout(r, 1));
		const take = () => { try { for (;;) endless.push(setTimeout(() => {}, 1e9)); } catch (e: any) { return endless.length + " " + e.code + " " + e.message; } };
		let later: Promise<any>;
		const paths: Record<string, () => any> = {
			"/take": take,
			"/callback": () => { later = new Promise((r) => setTimeout(() => setTimeout(() => r(take()), 1), 1)); return "set"; },
			"/later": () => later,
			"/free": () => { endless.splice(0).forEach(clearTimeout); return "cleared"; },
			"/turns": async () => { for (let i = 0; i < 3000; i++) clearTimeout(setTimeout(() => {}, 1e9)); for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 100 }, wait)); return "turned"; },
		};
		export default { async fetch(request: Request) { return new Response(await paths[new URL(request.url).pathname]()); } };`), nil)
	const refused = "1000 QUOTA_EXCEEDED setTimeout: 1000 timers of this request are open already"
	for _, c := range []struct{ path, want string }{
		{"/take", refused}, {"/turns", "turned"}, {"/callback", "set"}, {"/later", "2" + refused[1:]}, {"/turns", "turned"}, {"/free", "cleared"}, {"/take", refused},
	} {
		if got := ask(t, p, request(c.path)); got != c.want {
			t.Errorf("%s: got %q, want %q\n%s", c.path, got, c.want, log)
		}
	}
}
