package worker

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// slowBody gives its pieces one by one, and tells when it was closed.
type slowBody struct {
	pieces []string
	err    error
	closed chan struct{}
	once   sync.Once
}

func newBody(pieces ...string) *slowBody {
	return &slowBody{pieces: pieces, closed: make(chan struct{}), err: io.EOF}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.pieces) == 0 {
		return 0, b.err
	}
	n := copy(p, b.pieces[0])
	b.pieces = b.pieces[1:]
	return n, nil
}

func (b *slowBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// web answers what is fetched: each path is a behaviour.
func web(r plugins.FetchRequest) (*plugins.FetchResponse, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	a := &plugins.FetchResponse{Status: 200, URL: r.URL, Headers: []abi.Header{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Two", Value: "a"}, {Name: "X-Two", Value: "b"}}}
	switch u.Path {
	case "/redirected":
		a.URL, a.Body = "https://api.example.com/last", newBody("there")
	case "/moved":
		a.Status, a.Headers, a.Body = 302, []abi.Header{{Name: "Location", Value: "/x"}}, newBody()
	case "/none":
		a.Status, a.Body = 204, newBody()
	case "/pieces":
		a.Body = newBody("one,", "two,", "three")
	case "/broken":
		b := newBody("half")
		b.err = abi.Errorf(abi.CodeFetchFailed, "the connection broke off")
		a.Body = b
	case "/api/hello":
		a.Body = newBody(`{"message":"Hello from sandbox!"}`)
	case "/refused":
		return nil, abi.Errorf(abi.CodeFetchFailed, "fetch: api.example.com: the connection was refused").WithStarted(abi.StartedMaybe)
	case "/latin":
		a.Headers, a.Body = []abi.Header{{Name: "X-Latin", Value: "caf\xe9"}}, newBody()
	default:
		to := ""
		if r.Port != 0 {
			to = fmt.Sprintf(" to %s/%s:%d", r.Sandbox.Binding, r.Sandbox.ID, r.Port)
		}
		a.Body = newBody(fmt.Sprintf("%s %s %v %s %q%s", r.Method, r.URL, r.Headers, r.Redirect, r.Data, to))
	}
	return a, nil
}

// TestFetch fetches in each way that Workers do.
func TestFetch(t *testing.T) {
	t.Parallel()
	s := &services{fetch: web}
	p, log := s.with(t, `import { getSandbox } from "@cloudflare/sandbox";
const at = "https://api.example.com";
const text = async (r: any) => (await r).text();
const cases: Record<string, (r: Request, s: any) => any> = {
  get: () => text(fetch(at + "/a?b#c")),
  url: () => text(fetch(new URL("/u", at))),
  request: () => text(fetch(new Request(at + "/r", { headers: { A: "b" }, redirect: "manual" }))),
  init: () => text(fetch(new Request(at + "/r", { headers: { A: "b" } }), { method: "DELETE", redirect: "error" })),
  json: () => text(fetch(at + "/j", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ a: 1 }) })),
  bytes: () => text(fetch(at + "/b", { method: "PUT", body: new Uint8Array([104, 105]) })),
  form: () => text(fetch(at + "/f", { method: "POST", body: new URLSearchParams({ a: "b c" }) })),
  stream: () => text(fetch(at + "/s", { method: "POST", body: new Blob(["x", "y"]).stream() } as any)),
  clients: (r) => text(fetch(at + "/c", { method: "POST", body: r.body } as any)),
  forward: (r) => text(fetch(new Request(at + "/w", r))),
  through: (r) => fetch(at + "/pieces"),
  edited: async () => { const r = await fetch(at + "/pieces"); return new Response(r.body, r); },
  head: async () => { const r = await fetch(at + "/a#x"); const out = [r.status, r.ok, r.url, r.redirected, r.headers.get("x-two"), r.type]; await r.body!.cancel(); return Response.json(out); },
  redirected: async () => { const r = await fetch(at + "/redirected"); return r.url + r.redirected + await r.text(); },
  moved: async () => { const r = await fetch(at + "/moved", { redirect: "manual" }); return r.status + r.headers.get("location")!; },
  none: async () => { const r = await fetch(at + "/none"); return r.status + String(r.body); },
  headMethod: async () => { const r = await fetch(at + "/a", { method: "HEAD" }); return r.status + String(r.body) + await r.text(); },
  latin: async () => { const r = await fetch(at + "/latin"); return r.headers.get("x-latin")!; },
  broken: async () => { const r = await fetch(at + "/broken"); try { return await r.text() } catch (e: any) { return e.name + " " + e.cause.code } },
  refused: async () => { try { return await text(fetch(at + "/refused")) } catch (e: any) { return [e.name, e.message, e.cause.code, e.cause.started].join("|") } },
  denied: async () => { try { return await text(fetch("https://other.example.com/?token=geheim")) } catch (e: any) { return [e.name, e.cause.code, e.message].join("|") } },
  wrong: async () => { const out: string[] = []; for (const u of ["/relative", "ftp://x/", "https://u:p@x/"]) try { await fetch(u); out.push("went on") } catch (e: any) { out.push(e.name) } return out.join(); },
  aborted: async () => { try { await fetch(at + "/a", { signal: AbortSignal.abort("why") }); return "went on" } catch (e: any) { return "aborted " + e } },
  abort: async () => { const c = new AbortController(), p = fetch(at + "/a", { signal: c.signal }); c.abort(); try { await p; return "went on" } catch (e: any) { return e.name } },
  abortBody: async () => { const c = new AbortController(), r = await fetch(at + "/pieces", { signal: c.signal }); const reader = r.body!.getReader(); await reader.read(); c.abort(); try { for (;;) if ((await reader.read()).done) return "ended" } catch (e: any) { return e.name } },
  preview: async () => text(fetch("http://8080-a-token.localhost:8787/x")),
  container: (r, s) => text(s.containerFetch("http://localhost/api?x=1", { method: "POST", body: "data" }, 8080)),
  containerRequest: (r, s) => text(s.containerFetch(new Request("http://localhost/y", { headers: { A: "b" } }), 8081)),
  sandbox: (r, s) => s.fetch(r, 3000),
  noPort: async (r, s) => { try { await s.fetch(r) } catch (e: any) { return e.code } },
  lowPort: async (r, s) => { try { await s.fetch(r, 80) } catch (e: any) { return e.code + e.name } },
  clone: async () => { const r = await fetch(at + "/pieces"), c = r.clone(); return await r.text() + await c.text(); },
};
export default { async fetch(request: Request, env: any) {
  const r = await cases[new URL(request.url).pathname.slice(1)](request, getSandbox(env.Sandbox, "a"));
  return typeof r === "string" ? new Response(r) : r;
} };`, granted)
	for _, c := range []struct{ name, want string }{
		{"get", `200 GET https://api.example.com/a?b#c [] follow ""`},
		{"url", `200 GET https://api.example.com/u [] follow ""`},
		{"request", `200 GET https://api.example.com/r [{a b}] manual ""`},
		{"init", `200 DELETE https://api.example.com/r [{a b}] error ""`},
		{"json", `200 POST https://api.example.com/j [{content-type application/json}] follow "{\"a\":1}"`},
		{"bytes", `200 PUT https://api.example.com/b [] follow "hi"`},
		{"form", `200 POST https://api.example.com/f [{content-type application/x-www-form-urlencoded;charset=UTF-8}] follow "a=b+c"`},
		{"stream", `200 POST https://api.example.com/s [] follow "xy"`},
		{"clients", `200 POST https://api.example.com/c [] follow "what the client sends"`},
		{"forward", `200 POST https://api.example.com/w [{accept */*} {user-agent test/1}] follow "what the client sends"`},
		{"through", `200 one,two,three`},
		{"edited", `200 one,two,three`},
		{"head", `200 [200,true,"https://api.example.com/a",false,"a, b","default"]`},
		{"redirected", `200 https://api.example.com/lasttruethere`},
		{"moved", `200 302/x`},
		{"none", `200 204null`},
		{"headMethod", `200 200null`},
		{"latin", "200 café"},
		{"broken", `200 TypeError FETCH_FAILED`},
		{"refused", `200 TypeError|fetch of https://api.example.com failed: fetch: api.example.com: the connection was refused|FETCH_FAILED|maybe`},
		{"denied", ""},
		{"wrong", `200 TypeError,TypeError,TypeError`},
		{"aborted", `200 aborted why`},
		{"abort", `200 AbortError`},
		{"abortBody", `200 AbortError`},
		{"preview", `200 GET http://8080-a-token.localhost:8787/x [] follow ""`},
		{"container", `200 POST http://localhost/api?x=1 [{content-type text/plain;charset=UTF-8}] manual "data" to Sandbox/a:8080`},
		{"containerRequest", `200 GET http://localhost/y [{a b}] manual "" to Sandbox/a:8081`},
		{"sandbox", `200 POST http://localhost:8787/sandbox [{accept */*} {user-agent test/1}] manual "what the client sends" to Sandbox/a:3000`},
		{"noPort", `200 INVALID_PORT`},
		{"lowPort", `200 INVALID_PORTInvalidPortError`},
		{"clone", `200 one,two,threeone,two,three`},
	} {
		r := request("/" + c.name)
		r.Method, r.Body, r.ContentLength = "POST", io.NopCloser(strings.NewReader("what the client sends")), 21
		got := tell(t, p, r)
		if c.name == "denied" {
			if !strings.HasPrefix(got, "200 TypeError|DENIED|fetch of https://other.example.com failed: ") || !strings.Contains(got, "grants") || strings.Contains(got, "geheim") {
				t.Errorf("denied: got %q\n%s", got, log)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s\n%s", c.name, got, c.want, log)
		}
	}
}

// TestFetchIsClosed wants answers that are not read to their end to be closed before the
// request is over, and those that are.
func TestFetchIsClosed(t *testing.T) {
	t.Parallel()
	var bodies []*slowBody
	var mu sync.Mutex
	s := &services{fetch: func(r plugins.FetchRequest) (*plugins.FetchResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		b := newBody("a", "b")
		bodies = append(bodies, b)
		return &plugins.FetchResponse{Status: 200, URL: r.URL, Body: b}, nil
	}}
	p, log := s.with(t, `export default { async fetch() {
  for (let i = 0; i < 20; i++) { const r = await fetch("https://api.example.com/"); if (i % 2) await r.text(); else await r.body!.cancel(); }
  return new Response("done");
} };`, granted)
	if got := tell(t, p, request("/")); got != "200 done" {
		t.Error(got, log)
	}
	for _, b := range bodies {
		<-b.closed
	}
}
