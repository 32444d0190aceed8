package worker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"edge/abi"
)

// TestStreams reads operations that are streams, in each of the ways there are.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, call string
		stream     *played
		asked      string
		sent       string
		want       string
	}{
		{
			"execStream as events", `
const out: any[] = [];
for await (const e of parseSSEStream<any>(await sandbox.execStream("npm build", { cwd: "/w" }))) out.push(e.type + (e.data ?? e.pid ?? e.exitCode) + (typeof e.timestamp === "string"));
return out.join(",");`,
			play(`{"type":"start","pid":7}`, `{"type":"stdout","data":"a\n\nb"}`, `{"type":"stderr","data":"c"}`, `{"type":"exit","exitCode":0}`),
			`execStream {"command":"npm build","cwd":"/w"}`, "", "start7true,stdouta\n\nbtrue,stderrctrue,exit0true,complete0true",
		},
		{
			"execStream fails", `
const out: any[] = [];
for await (const e of parseSSEStream<any>(await sandbox.execStream(["x"]))) out.push(e.type + (e.error ?? ""));
return out.join(",");`,
			play(`{"type":"start"}`, abi.Errorf(abi.CodeTimeout, "it ran too long")), `execStream {"argv":["x"]}`, "", "start,errorit ran too long",
		},
		{
			"execStream is canceled", `
const reader = (await sandbox.execStream("yes")).getReader();
const { value } = await reader.read();
await reader.cancel();
return new TextDecoder().decode(value).replace(/"timestamp":"[^"]*"/, "T");`,
			play(`{"type":"start","pid":1}`, `{"type":"stdout","data":"y"}`), `execStream {"command":"yes"}`, "close 1000 ", "data: {\"type\":\"start\",\"pid\":1,\"command\":\"yes\",T}\n\n",
		},
		{
			"exec with onOutput", `
let out = "";
const r = await sandbox.exec("make", { stream: true, onOutput: (s: string, d: string) => { out += s + d + ";" }, onComplete: (r: any) => { out += "done" + r.exitCode } });
return out + r.stdout + r.success + r.command;`,
			play(`{"type":"start"}`, `{"type":"stdout","data":"a"}`, `{"type":"stderr","data":"b"}`, `{"type":"stdout","data":"c"}`, `{"type":"exit","exitCode":3,"duration":5}`),
			`execStream {"command":"make"}`, "close 1000 ", "stdouta;stderrb;stdoutc;done3acfalsemake",
		},
		{
			"exec with a signal", `
const c = new AbortController();
try { await sandbox.exec("sleep 9", { signal: c.signal, onOutput: () => c.abort() }) } catch (e: any) { return e.name }
return "went on";`,
			play(`{"type":"start"}`, `{"type":"stdout","data":"a"}`, `{"type":"stdout","data":"b"}`), `execStream {"command":"sleep 9"}`, "close 1000 ", "AbortError",
		},
		{
			"execStream with a signal", `
const c = new AbortController(), reader = (await sandbox.execStream("yes", { signal: c.signal })).getReader();
await reader.read();
c.abort(new RangeError("enough"));
try { for (;;) if ((await reader.read()).done) return "ended" } catch (e: any) { return e.name + e.message }`,
			play(`{"type":"start"}`, `{"type":"stdout","data":"a"}`, `{"type":"stdout","data":"b"}`), `execStream {"command":"yes"}`, "close 1000 ", "RangeErrorenough",
		},
		{
			"execStream with a signal that was aborted", `
try { await (await sandbox.execStream("yes", { signal: AbortSignal.abort(new RangeError("before")) })).getReader().read() } catch (e: any) { return e.name + e.message }
return "read";`,
			play(`{"type":"start"}`), `execStream {"command":"yes"}`, "close 1000 ", "RangeErrorbefore",
		},
		{
			"streamProcessLogs", `
const out: any[] = [];
for await (const e of parseSSEStream<any>(await sandbox.streamProcessLogs("p"))) out.push(e.type + (e.data ?? e.exitCode) + e.processId);
return out.join(",");`,
			play(`{"type":"stdout","data":"x","cursor":"1"}`, `{"type":"exit","exitCode":0}`), `streamLogs {"follow":true,"processId":"p"}`, "", "stdoutxp,exit0p",
		},
		{
			"watch", `
const out: any[] = [];
for await (const e of parseSSEStream<any>(await sandbox.watch("/w", { recursive: true }))) out.push([e.type, e.eventType, e.path, e.isDirectory].join("|"));
return out.join(",");`,
			play(`{"type":"ready"}`, `{"type":"create","path":"a"}`, `{"type":"move","path":"c","oldPath":"b","isDir":true}`), `watch {"path":"/w","recursive":true}`, "",
			"watching||/w|,event|create|/w/a|false,event|move_from|/w/b|true,event|move_to|/w/c|true",
		},
		{
			"readFileStream of a text", `
let out = "";
for await (const e of parseSSEStream<any>(await sandbox.readFileStream("/a.txt"))) out += e.type + (e.data ?? e.mimeType ?? e.bytesRead) + ";";
return out;`,
			play(`{"name":"a.txt","path":"/a.txt","type":"file","size":6}`, []byte("caf\xc3"), []byte("\xa9!")), `readFileStream {"path":"/a.txt"}`, "", "metadatatext/plain;chunkcaf;chunké!;complete6;",
		},
		{
			"collectFile of a text that ends within a character", `
const { content } = await collectFile(await sandbox.readFileStream("/a.txt"));
return content as string;`,
			play(`{"name":"a.txt","path":"/a.txt","type":"file","size":4}`, []byte("caf"), []byte("\xc3")), `readFileStream {"path":"/a.txt"}`, "", "caf\ufffd",
		},
		{
			"collectFile", `
const { content, metadata } = await collectFile(await sandbox.readFileStream("/a.png"));
return [...content as Uint8Array].join(" ") + JSON.stringify(metadata);`,
			play(`{"name":"a.png","path":"/a.png","type":"file","size":4}`, []byte{1, 0}, []byte{2, 255}), `readFileStream {"path":"/a.png"}`, "",
			`1 0 2 255{"mimeType":"image/png","size":4,"isBinary":true,"encoding":"base64"}`,
		},
		{
			"collectFile of events", `
const sse = 'data: {"type":"metadata","isBinary":true,"mimeType":"x","size":3,"encoding":"base64"}\n\ndata: {"type":"chunk","data":"AQID"}\n\ndata: {"type":"complete"}\n\n';
const { content } = await collectFile(new Response(sse).body!);
await (await sandbox.readFileStream("/x")).cancel();
return [...content as Uint8Array].join(" ");`,
			play(`{"name":"x","path":"/x","size":0}`), `readFileStream {"path":"/x"}`, "close 1000 ", "1 2 3",
		},
		{
			"readFile as a stream", `
const r = await sandbox.readFile("/a.bin", { encoding: "none" });
return r.size + await new Response(r.content).text();`,
			play(`{"name":"a.bin","path":"/a.bin","size":4}`, []byte("ab"), []byte("cd")), `readFileStream {"path":"/a.bin"}`, "", "4abcd",
		},
		{
			"writeFile of a stream", `
const r = await sandbox.writeFile("/a", new Blob(["abc", "def"]).stream(), { mode: "0600" });
return r.size + " " + r.bytesWritten;`,
			play(`{"path":"/a","size":6}`), `writeFileStream {"mode":"0600","path":"/a"}`, `2 abcdef; 1 {"type":"end"}; close 1000 `, "6 6",
		},
		{
			"writeFile of a stream of something else", `
let cancelled = "";
const stream = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel(e) { cancelled = e.name } });
try { await sandbox.writeFile("/a", stream) } catch (e: any) { return e.message + " " + cancelled }
return "written";`,
			play(), `writeFileStream {"path":"/a"}`, "close 1000 ", "writeFile: the content is no string, bytes, Blob or ReadableStream of such TypeError",
		},
		{
			"writeFile of bytes", `
const r = await sandbox.writeFile("/a", new Uint8Array([65, 66]));
return r.path;`,
			play(`{"path":"/a","size":2}`), `writeFileStream {"path":"/a"}`, `2 AB; 1 {"type":"end"}; close 1000 `, "/a",
		},
		{
			"terminal", `
const term = await sandbox.terminal({ cols: 100, rows: 30 });
const ready = await term.next(), text = await term.next();
await term.write("ls\n"); await term.resize(10, 20);
const end = await term.next(); await term.close();
return ready.type + new TextDecoder().decode(text) + end;`,
			play(`{"type":"ready","id":"t"}`, []byte("$ ")), `terminal {"cols":100,"rows":30}`, `2 ls
; 1 {"type":"resize","cols":10,"rows":20}`, "ready$ null",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &services{open: func(string, json.RawMessage) (abi.Socket, error) { return c.stream, nil }}
			p, log := s.with(t, `import { getSandbox, parseSSEStream, collectFile } from "@cloudflare/sandbox";
const run = async (sandbox: any): Promise<string> => {`+c.call+`};
export default { async fetch(request: Request, env: any) { return new Response(await run(getSandbox(env.Sandbox, "a"))); } };`)
			if got := tell(t, p, request("/")); got != "200 "+c.want {
				t.Errorf("got  %q\nwant %q\n%s", got, "200 "+c.want, log)
			}
			if strings.Contains(log.String(), "Unhandled") {
				t.Errorf("nobody waited for a promise that was rejected:\n%s", log)
			}
			if asked := s.take(); len(asked) != 1 || asked[0] != c.asked {
				t.Errorf("asked %q, want %q", asked, c.asked)
			}
			if got := c.stream.log(t); !strings.HasPrefix(got, c.sent) { // the request's end closes what is open
				t.Errorf("sent %q, want %q", got, c.sent)
			}
		})
	}
}

// TestLargeFile sends and reads a file that is many messages long.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	sent := play(`{"path":"/a","size":1}`)
	content := bytes.Repeat([]byte("0123456789abcdef"), 10<<10)
	read := play(`{"name":"a","path":"/a","size":163840}`, content[:64<<10], content[64<<10:128<<10], content[128<<10:])
	s := &services{open: func(name string, _ json.RawMessage) (abi.Socket, error) {
		if name == "writeFileStream" {
			return sent, nil
		}
		return read, nil
	}}
	p, log := s.with(t, `import { getSandbox, collectFile } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const sandbox = getSandbox(env.Sandbox, "a");
  await sandbox.writeFile("/a", "0123456789abcdef".repeat(10 << 10));
  const { content } = await collectFile(await sandbox.readFileStream("/a"));
  return new Response(String(content.length));
} };`)
	if got := tell(t, p, request("/")); got != "200 163840" {
		t.Error(got, log)
	}
	all := strings.ReplaceAll(sent.log(t), "; 2 ", "")
	if want := "2 " + string(content) + `; 1 {"type":"end"}; close 1000 `; all != want {
		t.Errorf("sent %d bytes, want %d", len(all), len(want))
	}
}
