package worker

import (
	"fmt"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestWebSocket has a Worker be the client of WebSockets elsewhere, in both ways.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, source string
		asked, sent  string
		want         string
	}{
		{
			"constructor", `
const ws = new WebSocket("wss://api.example.com/live?x#".slice(0, -1), ["p1", "p2"]), got: any[] = [ws.readyState, ws.url];
try { ws.send("early") } catch (e: any) { got.push(e.name) }
ws.onopen = () => { got.push("open", ws.protocol, ws.readyState); ws.send("hi"); ws.send(new Uint8Array([1, 2])); ws.send(new Blob(["blob"])); };
const closed = new Promise<any>((r) => { ws.onclose = r });
let n = 0;
ws.addEventListener("message", (e) => { got.push(typeof e.data === "string" ? e.data : [...new Uint8Array(e.data)].join(" "), e.origin); if (++n === 3) ws.close(4000, "bye"); });
const end = await closed;
return [...got, end.wasClean, ws.readyState].join();`,
			"https://api.example.com/live?x [p1 p2] []", "1 hi; 2 \x01\x02; 2 blob; close 4000 bye",
			"0,wss://api.example.com/live?x,InvalidStateError,open,p2,1,echo hi,wss://api.example.com,1 2,wss://api.example.com,98 108 111 98,wss://api.example.com,true,3",
		},
		{
			"order", `
const ws = new WebSocket("wss://api.example.com/"), bytes = new Uint8Array([65, 66]);
let n = 0;
const all = new Promise<void>((r) => { ws.onmessage = () => { if (++n === 4) r() } });
await new Promise((r) => { ws.onopen = r });
ws.send(""); ws.send(new Blob(["blob"])); ws.send("t\u00e9xt"); ws.send(bytes);
const waiting = ws.bufferedAmount;
bytes.fill(0);
await all;
while (ws.bufferedAmount > 0) await scheduler.wait(1);
ws.close();
return "" + waiting;`,
			"https://api.example.com/ [] []", "1 ; 2 blob; 1 t\u00e9xt; 2 AB; close 1000 ", "11",
		},
		{
			"a preview needs no grant", `
const ws = new WebSocket("http://8080-a-token.localhost:8787/");
await new Promise((r) => ws.addEventListener("open", r));
ws.close();
return "open";`,
			"http://8080-a-token.localhost:8787/ [] []", "close 1000 ", "open",
		},
		{
			"fetch", `
const r = await fetch("https://api.example.com/ws", { headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "p1, p2", "X-Mine": "1" } });
const ws = r.webSocket!; ws.accept();
const m = new Promise<any>((done) => ws.addEventListener("message", (e: any) => done(e.data)));
ws.send("z");
const out = [r.status, r.headers.get("x-from"), await m].join();
ws.close(1000, "");
return out;`,
			"https://api.example.com/ws [p1 p2] [[x-mine 1]]", "1 z; close 1000 ", "101,server,echo z",
		},
		{
			"denied", `
const ws = new WebSocket("wss://elsewhere.example.org/");
const error = new Promise<any>((r) => ws.addEventListener("error", r)), closed = new Promise<any>((r) => { ws.onclose = r });
const e = await error, c = await closed;
let fetched = "";
try { await fetch("https://elsewhere.example.org/", { headers: { upgrade: "websocket" } }) } catch (e: any) { fetched = e.name + e.cause.code }
return [e.error.code, c.code, c.wasClean, fetched].join();`,
			"", "", "DENIED,1006,false,TypeErrorDENIED",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stream, asked := echo(), ""
			s := &services{url: func(r plugins.SocketRequest) (abi.Socket, error) {
				asked = fmt.Sprint(r.URL, " ", r.Options.Protocols, " ", r.Options.Headers)
				return stream, nil
			}}
			p, log := s.with(t, "const run = async (): Promise<string> => {"+c.source+"};\nexport default { async fetch() { return new Response(await run()); } };", granted)
			if got := tell(t, p, request("/")); got != "200 "+c.want {
				t.Errorf("got  %q\nwant %q\n%s", got, "200 "+c.want, log)
			}
			if asked != c.asked {
				t.Errorf("asked for %q, want %q", asked, c.asked)
			}
			if c.sent != "" {
				if got := stream.log(t); got != c.sent {
					t.Errorf("sent %q, want %q", got, c.sent)
				}
			}
		})
	}
}
