package worker

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edge/abi"
	"edge/plugins"
)

// answerOf is what a request was answered.
func answerOf(t testing.TB, p *plugins.Plugin, r *abi.Request) *abi.Respond {
	t.Helper()
	d, err := p.Decide(t.Context(), r)
	got, ok := d.(*abi.Respond)
	if !ok {
		t.Fatalf("got %+v, %v; want an answer", d, err)
	}
	return got
}

// send is a request with a body.
func send(path string, body io.Reader, headers ...string) *abi.Request {
	r := request(path)
	r.Method, r.Body, r.ContentLength = "POST", body, -1
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, abi.Header{Name: headers[i], Value: headers[i+1]})
	}
	return r
}

// TestAnswers looks at status, headers and body as the edge gets them.
func TestAnswers(t *testing.T) {
	t.Parallel()
	source := `
const cached = new Response("one use");
const cases: Record<string, (r: Request) => any> = {
  text: () => new Response("héllo"),
  nothing: () => new Response(null, { status: 204 }),
  plain: () => new Response(),
  json: () => Response.json({ a: 1 }, { status: 201 }),
  redirect: () => Response.redirect("http://example.com/x", 301),
  bytes: () => new Response(new Uint8Array([0, 255, 10])),
  buffer: () => new Response(new Uint8Array([1, 2]).buffer),
  params: () => new Response(new URLSearchParams({ a: "1 2" })),
  blob: () => new Response(new Blob(["<p>"], { type: "text/html" })),
  headers: () => new Response("x", { headers: [["X-A", "1"], ["x-a", "2"], ["Set-Cookie", "a=1"], ["set-cookie", "b=2"], ["X-Latin", "caf\u00e9"]] }),
  framing: () => new Response("x", { headers: { "Content-Length": "99", "Transfer-Encoding": "chunked", Connection: "close", Upgrade: "h2c", "Keep-Alive": "5", Trailer: "a", "X-B": "1" } }),
  type: () => new Response("x", { headers: { "Content-Type": "text/css" } }),
  status: () => new Response("x", { status: 599, statusText: "Odd" }),
  notmodified: () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
  sync: () => new Response("sync"),
  cached: () => cached,
};
export default { fetch(request: Request) { return cases[new URL(request.url).pathname.slice(1)](request) } };
`
	p, log := serve(t, build(t, source), nil)
	plain := "content-type=text/plain;charset=UTF-8"
	for _, c := range []struct {
		name   string
		status int
		body   string
		header []string
	}{
		{"text", 200, "héllo", []string{plain}},
		{"nothing", 204, "", nil},
		{"plain", 200, "", nil},
		{"json", 201, `{"a":1}`, []string{"content-type=application/json"}},
		{"redirect", 301, "", []string{"location=http://example.com/x"}},
		{"bytes", 200, "\x00\xff\n", nil},
		{"buffer", 200, "\x01\x02", nil},
		{"params", 200, "a=1+2", []string{"content-type=application/x-www-form-urlencoded;charset=UTF-8"}},
		{"blob", 200, "<p>", []string{"content-type=text/html"}},
		{"headers", 200, "x", []string{"x-a=1, 2", "set-cookie=a=1", "set-cookie=b=2", "x-latin=caf\xe9", plain}},
		{"framing", 200, "x", []string{"x-b=1", plain}},
		{"type", 200, "x", []string{"content-type=text/css"}},
		{"status", 599, "x", []string{plain}},
		{"notmodified", 304, "", []string{`etag="1"`}},
		{"sync", 200, "sync", []string{plain}},
		{"cached", 200, "one use", []string{plain}},
	} {
		got := answerOf(t, p, request("/"+c.name))
		var headers []string
		for _, h := range got.Headers {
			headers = append(headers, h.Name+"="+h.Value)
		}
		if got.Status != c.status || string(got.Body) != c.body || !slices.Equal(headers, c.header) {
			t.Errorf("%s: got %d %q %q\nlog: %s", c.name, got.Status, headers, got.Body, log)
		}
	}
	if e := errorOf(t, p, request("/cached")); e.Code != abi.CodePluginFailed { // a body can be sent once
		t.Error(e)
	}
}

// TestRequests has the Worker say what it sees of the edge's own request.
func TestRequests(t *testing.T) {
	t.Parallel()
	source := `
const cases: Record<string, (r: Request) => any> = {
  line: (r) => [r.method, r.url, r.body === null, r.bodyUsed, r.redirect],
  headers: (r) => [[...r.headers], r.headers.get("X-Two"), r.headers.has("none"), r.headers.get("none")],
  address: (r) => [r.headers.has("cf-connecting-ip"), ...[r, new Request(r), r].map((q) => q.headers.get("CF-Connecting-IP"))],
  latin: (r) => r.headers.get("x-latin"),
  immutable: (r) => { try { r.headers.append("a", "b"); return "changed" } catch (e: any) { return e.name } },
  copy: (r) => { const c = new Request(r, { headers: { a: "b" } }); c.headers.set("c", "d"); return [...c.headers] },
  copied: (r) => { const c = new Request(r); c.headers.set("c", "d"); return [c.headers.get("c"), r.headers.get("c"), c.headers.get("x-two"), c.url === r.url] },
  text: async (r) => [await r.text(), r.bodyUsed],
  json: (r) => r.json(),
  bytes: async (r) => [...new Uint8Array(await r.arrayBuffer())],
  form: async (r) => [...await r.formData()].map(([k, v]) => [k, typeof v === "string" ? v : [v.name, v.type, v.size]]),
  blob: async (r) => { const b = await r.blob(); return [b.size, b.type] },
  stream: async (r) => { let n = 0, size = 0; for await (const c of r.body as any) { n++; size += c.length } return [n > 1, size] },
  byob: async (r) => { const d = r.body!.getReader({ mode: "byob" }); const { value } = await d.read(new Uint8Array(3)); return [...value!] },
  clone: async (r) => { const c = r.clone(); return [await r.text(), await c.text()] },
  part: async (r) => { const d = r.body!.getReader(); await d.read(); await d.cancel("enough"); return (await d.read()).done },
  moved: async (r) => { const c = new Request(r); return [r.bodyUsed, c.bodyUsed, await c.text()] },
  decoded: async (r) => { let s = ""; for await (const c of r.body!.pipeThrough(new TextDecoderStream()) as any) s += c; return s },
  echo: (r) => new Response(r.body, { headers: { "content-type": "x/y" } }),
};
export default { async fetch(request: Request) {
  const got = await cases[new URL(request.url).pathname.slice(1)](request);
  return got instanceof Response ? got : Response.json(got);
} };
`
	p, log := serve(t, build(t, source), nil)
	two := []string{"X-Two", "1", "X-Two", "2"}
	big := strings.Repeat("0123456789", 30000)
	multipart := "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\nContent-Type: a/b\r\n\r\n\x00\xff\r\n\x01\r\n--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nü\r\n--B--\r\n"
	six := send("/address", nil)
	six.RemoteAddr = "[2001:db8::1]:443"
	for _, c := range []struct {
		req  *abi.Request
		want string
	}{
		{six, `[true,"2001:db8::1","2001:db8::1","2001:db8::1"]`},
		{request("/line?a=%20b"), `["GET","http://localhost:8787/line?a=%20b",true,false,"follow"]`},
		{send("/line", strings.NewReader("x")), `["POST","http://localhost:8787/line",false,false,"follow"]`},
		{send("/line", strings.NewReader(""), "Content-Length", "0"), `["POST","http://localhost:8787/line",true,false,"follow"]`},
		{send("/headers", nil, two...), `[[["accept","*/*"],["cf-connecting-ip","192.0.2.1"],["host","localhost:8787"],["user-agent","test/1"],["x-two","1, 2"]],"1, 2",false,null]`},
		{send("/latin", nil, "X-Latin", "caf\xe9"), `"café"`},
		{request("/immutable"), `"TypeError"`},
		{request("/copy"), `[["a","b"],["c","d"]]`},
		{send("/address", nil, "CF-Connecting-IP", "203.0.113.9"), `[true,"192.0.2.1","192.0.2.1","192.0.2.1"]`},
		{send("/copied", nil, two...), `["d",null,"1, 2",true]`},
		{send("/text", strings.NewReader("héllo")), `["héllo",true]`},
		{send("/text", strings.NewReader("héllo"), "Content-Length", "6"), `["héllo",true]`},
		{send("/text", strings.NewReader("\xef\xbb\xbfa\xff")), `["a�",true]`},
		{request("/text"), `["",false]`},
		{send("/json", strings.NewReader(`{"a":[1,null]}`)), `{"a":[1,null]}`},
		{send("/bytes", strings.NewReader("\x00\xff")), `[0,255]`},
		{send("/form", strings.NewReader("a=1&b=%C3%BC+x"), "Content-Type", "application/x-www-form-urlencoded"), `[["a","1"],["b","ü x"]]`},
		{send("/form", strings.NewReader(multipart), "Content-Type", "multipart/form-data; boundary=B"), `[["f",["a.bin","a/b",5]],["t","ü"]]`},
		{send("/blob", strings.NewReader("abc"), "Content-Type", "Text/X"), `[3,"text/x"]`},
		{send("/stream", strings.NewReader(big)), `[true,300000]`},
		{send("/byob", strings.NewReader("abcdef")), `[97,98,99]`},
		{send("/clone", strings.NewReader("both")), `["both","both"]`},
		{send("/part", strings.NewReader(big)), `true`},
		{send("/moved", strings.NewReader("m")), `[true,false,"m"]`},
		{send("/decoded", io.MultiReader(strings.NewReader("a\xc3"), strings.NewReader("\xa9b"))), `"aéb"`},
	} {
		if got := string(answerOf(t, p, c.req).Body); got != c.want {
			t.Errorf("%s: got %s, want %s; log:\n%s", c.req.Path, got, c.want, log)
		}
	}
	echo := answerOf(t, p, send("/echo", strings.NewReader(big)))
	got, err := io.ReadAll(echo.Stream)
	if err != nil || string(got) != big {
		t.Errorf("echo: got %d bytes, %v; log:\n%s", len(got), err, log)
	}
	_ = echo.Stream.Close()
}

// pieces is a body that tells how often it was read.
type pieces struct {
	n, reads atomic.Int64
	size     int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.reads.Add(1)
	if p.n.Add(-1) < 0 {
		return 0, io.EOF
	}
	return copy(b, strings.Repeat("x", p.size)), nil
}

// streamSource answers with streams of each kind.
const streamSource = `
const encoder = new TextEncoder();
const of = (pull: (c: any, n: number) => any, more?: any) => { let n = 0; return new ReadableStream({ pull: (c) => pull(c, n++), ...more }) };
const cases: Record<string, (r: Request) => any> = {
  three: () => of((c, n) => n === 3 ? c.close() : c.enqueue(encoder.encode("piece " + n + "\n"))),
  views: () => of((c, n) => [() => c.enqueue(new Uint16Array([0x6261])), () => c.enqueue(new Uint8Array([99]).buffer), () => c.close()][n]()),
  empty: () => of((c) => c.close()),
  big: () => of((c, n) => { if (n === 1) return c.close(); c.enqueue(new Uint8Array(3 << 20).fill(120)) }),
  strings: () => of((c) => c.enqueue("text")),
  breaks: () => of((c, n) => { if (n === 1) throw new RangeError("half way"); c.enqueue(encoder.encode("half")) }),
  never: () => of((c, n) => { if (n === 0) return c.enqueue(encoder.encode("some")); return new Promise(() => {}) }),
  endless: () => of((c, n) => { if (n % 100 === 0) console.log("pulled " + n); c.enqueue(new Uint8Array(1000)) }, { cancel(reason: any) { console.log("cancelled: " + (reason?.name ?? reason)) } }),
  through: () => of((c, n) => n === 2 ? c.close() : c.enqueue("téxt " + n)).pipeThrough(new TextEncoderStream()),
  pushed: () => { const { readable, writable } = new TransformStream(); const w = writable.getWriter(); (async () => { await w.write(encoder.encode("a")); await w.write(encoder.encode("b")); await w.close() })(); return readable },
  read: (r) => r.body,
};
export default { fetch(request: Request) {
  return new Response(cases[new URL(request.url).pathname.slice(1)](request), { status: 203, headers: { "x-s": "1" } });
} };
`

// TestStreamedAnswers reads bodies that the Worker makes piece by piece.
func TestStreamedAnswers(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, streamSource), nil)
	for _, c := range []struct{ name, want, broken string }{
		{name: "three", want: "piece 0\npiece 1\npiece 2\n"},
		{name: "views", want: "abc"},
		{name: "empty"},
		{name: "big", want: strings.Repeat("x", 3<<20)},
		{name: "through", want: "téxt 0téxt 1"},
		{name: "pushed", want: "ab"},
		{name: "strings", broken: "did not return bytes"},
		{name: "breaks", want: "half", broken: "RangeError: half way"},
		{name: "never", want: "some", broken: "the body of the answer will never end"},
	} {
		r := answerOf(t, p, request("/"+c.name))
		if r.Status != 203 || len(r.Headers) != 1 || r.Stream == nil {
			t.Fatalf("%s: got %+v", c.name, r)
		}
		got, err := io.ReadAll(r.Stream)
		if string(got) != c.want || (err != nil) != (c.broken != "") {
			t.Errorf("%s: got %.100q, %v; log:\n%s", c.name, got, err, log)
		}
		saysSoon(t, log, c.broken)
		_ = r.Stream.Close()
	}
}

// TestBackPressure reads a little of an endless body: the Worker made little more, and
// is told when the client goes away.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, streamSource), nil)
	r := answerOf(t, p, request("/endless"))
	if n, err := io.ReadFull(r.Stream, make([]byte, 50_000)); err != nil {
		t.Fatal(n, err, log)
	}
	_ = r.Stream.Close()
	saysSoon(t, log, "cancelled: ")
	if strings.Contains(log.String(), "pulled 100\"") {
		t.Errorf("100 pieces were made while 50 were read; log:\n%s", log)
	}
}

// TestHead has no body sent, and the stream cancelled.
func TestHead(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, streamSource), nil)
	q := request("/endless")
	q.Method = "HEAD"
	if r := answerOf(t, p, q); r.Stream != nil || len(r.Body) != 0 || r.Status != 203 {
		t.Errorf("got %+v", r)
	}
	saysSoon(t, log, "cancelled: ")
}

// TestBodyIsPulled echoes a large body to a client that reads a little of it: the rest
// is not read from whoever sends it.
func TestBodyIsPulled(t *testing.T) {
	t.Parallel()
	p, log := serve(t, build(t, streamSource), nil)
	body := &pieces{size: 10_000}
	body.n.Store(10_000)
	r := answerOf(t, p, send("/read", body))
	if _, err := io.ReadFull(r.Stream, make([]byte, 100_000)); err != nil {
		t.Fatal(err, log)
	}
	_ = r.Stream.Close()
	if n := body.reads.Load(); n > 1000 {
		t.Errorf("%d pieces of 10,000 bytes were read for 100,000 bytes", n)
	}
}

// TestSlowBody waits in the Worker for a body whose second half comes late, and serves
// others meanwhile.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	source := "export default { async fetch(r: Request) { return new Response(r.method + ' ' + await r.text()) } };\n"
	p, log := serve(t, build(t, source), nil)
	from, to := io.Pipe()
	done := make(chan string, 1)
	var asking sync.WaitGroup
	asking.Go(func() { done <- ask(t, p, send("/", from)) })
	if _, err := io.WriteString(to, "first "); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got := ask(t, p, request(fmt.Sprint("/", i))); got != "GET " {
			t.Error(got)
		}
	}
	if _, err := io.WriteString(to, "second"); err != nil {
		t.Fatal(err)
	}
	_ = to.Close()
	defer asking.Wait()
	select {
	case got := <-done:
		if got != "POST first second" {
			t.Errorf("got %q; log:\n%s", got, log)
		}
	case <-time.After(patience):
		t.Fatal("no answer", log)
	}
}
