// A site as people write one: links of every kind, a form, cookies, a script that
// fetches and opens a WebSocket. It tells what it was sent, and sets whatever
// cookies it is asked to.
const seen: Record<string, string>[] = [];

const html = (title: string, body: string, headers: HeadersInit = {}) =>
  new Response(`<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`, {
    headers: { "Content-Type": "text/html; charset=utf-8", ...headers },
  });

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const home = `
<p>Cookies sent: <code id="cookies">COOKIES</code></p>
<ul>
  <li><a id="relative" href="deep/page">relative</a>
  <li><a id="rooted" href="/rooted?from=home">rooted</a>
  <li><a id="moved" href="moved">redirected</a>
</ul>
<form method="post" action="submit"><input name="flavour" value="vanilla"><button>Send</button></form>
<img id="picture" src="picture.svg" alt="">
<link rel="stylesheet" href="style.css">
<script src="script.js"></script>`;

const script = `
const told = document.body.dataset;
told.script = "ran";
fetch("data.json").then((r) => r.json()).then((data) => (told.fetched = data.answer));
const address = new URL("socket", location.href);
address.protocol = address.protocol.replace("http", "ws");
const ws = new WebSocket(address);
ws.onopen = () => ws.send("hello");
ws.onmessage = (event) => (told.socket = event.data);
ws.onclose = (event) => (told.closed = event.code);`;

const port = Number(process.argv[2] ?? 8080);

Bun.serve({
  port,
  async fetch(req, server) {
    const url = new URL(req.url);
    const cookies = escaped(req.headers.get("Cookie") ?? "");
    seen.push({ method: req.method, target: url.pathname + url.search, ...Object.fromEntries(req.headers) });
    switch (url.pathname) {
      case "/":
        return html("Home", home.replace("COOKIES", () => cookies));
      case "/socket":
        return server.upgrade(req) ? undefined : new Response("not a WebSocket", { status: 426 });
      case "/submit": {
        const flavour = String((await req.formData()).get("flavour"));
        const headers = new Headers({ Location: "/welcome" });
        headers.append("Set-Cookie", `flavour=${flavour}; Path=/; HttpOnly`);
        headers.append("Set-Cookie", `readable=${flavour}; Path=/`);
        return new Response(null, { status: 303, headers });
      }
      case "/welcome":
        return html("Welcome", `<p id="cookies">${cookies}</p><a id="home" href="./">home</a>`);
      case "/moved":
        // An absolute redirect, made of what the server believes to be its own address.
        return new Response(null, { status: 302, headers: { Location: `http://${req.headers.get("Host")}/deep/page` } });
      case "/deep/page":
        return html("Deep", `<p id="cookies">${cookies}</p><a id="up" href="../">up</a><img id="picture" src="../picture.svg" alt="">`);
      case "/rooted":
        return html("Rooted", `<p id="query">${escaped(url.search)}</p>`);
      case "/style.css":
        return new Response("h1 { color: rgb(1, 2, 3) }", { headers: { "Content-Type": "text/css" } });
      case "/script.js":
        return new Response(script, { headers: { "Content-Type": "text/javascript" } });
      case "/picture.svg":
        return new Response('<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="20" height="20"/></svg>', {
          headers: { "Content-Type": "image/svg+xml" },
        });
      case "/data.json":
        return Response.json({ answer: "42" });
      case "/seen":
        return Response.json(seen);
      case "/set-cookies": {
        const headers = new Headers({ "Content-Type": "text/html" });
        for (const cookie of url.searchParams.getAll("cookie")) headers.append("Set-Cookie", cookie);
        return new Response("<!doctype html><title>Set</title>", { headers });
      }
      case "/link":
        return html("Link", `<a id="out" href="${escaped(url.searchParams.get("to") ?? "")}">out</a>`);
    }
    return new Response("nothing here", { status: 404 });
  },
  websocket: {
    message(ws, message) {
      ws.send(`heard ${message}`);
    },
  },
});

console.log(`site on port ${port}`);
