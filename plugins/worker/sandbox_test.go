package worker

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"edge/abi"
)

// method is a call of a sandbox's method: what the edge is asked, what it answers, and
// what the Worker sees of that.
type method struct {
	call   string // an expression; sandbox, session and process are there
	asked  string
	answer string
	want   string // JSON of what the call gives
}

var methods = []method{
	{`sandbox.start()`, `start {}`, `{"state":"running","generation":1}`, `{"state":"running","generation":1}`},
	{`sandbox.stop()`, `stop {}`, `{"state":"stopped"}`, `{"state":"stopped"}`},
	{`sandbox.stop("KILL")`, `stop {"signal":"KILL"}`, `{}`, `{}`},
	{`sandbox.stop({signal: 9, grace: "1s"})`, `stop {"grace":"1s","signal":9}`, `{}`, `{}`},
	{`sandbox.pause()`, `pause {}`, `{}`, `{}`},
	{`sandbox.resume()`, `resume {}`, `{}`, `{}`},
	{`sandbox.destroy()`, `destroy {}`, `{}`, `undefined`},
	{`sandbox.touch()`, `touch {}`, `{}`, `{}`},
	{`sandbox.getState()`, `getState {}`, `{"state":"absent"}`, `{"state":"absent"}`},
	{`sandbox.inspect()`, `inspect {}`, `{"id":"a"}`, `{"id":"a"}`},
	{`sandbox.setEnvVars({A: "b", C: undefined})`, `setEnvVars {"envVars":{"A":"b","C":null}}`, `{}`, `undefined`},
	{`sandbox.setSleepAfter(300)`, `touch {}`, `{}`, `undefined`},
	{`sandbox.setKeepAlive(true)`, `touch {}`, `{}`, `undefined`},

	{`sandbox.createSession({id: "s", cwd: "/w", env: {A: "b"}, isolation: true})`, `createSession {"cwd":"/w","env":{"A":"b"},"id":"s"}`, `{"id":"s","cwd":"/w"}`, `{"id":"s","cwd":"/w"}`},
	{`sandbox.createSession({name: "n"})`, `createSession {"id":"n"}`, `{"id":"n"}`, `{"id":"n"}`},
	{`sandbox.getSession("s")`, `getSession {"id":"s"}`, `{"id":"s"}`, `{"id":"s"}`},
	{`sandbox.deleteSession("s").then((r) => r.sessionId + r.success)`, `deleteSession {"id":"s"}`, `{}`, `"strue"`},

	{`sandbox.exec("ls", {cwd: "/tmp", timeout: 5000, env: {A: "b", B: undefined}, encoding: "utf-8", onComplete: undefined}).then((r) => [r.stdout, r.command, typeof r.timestamp])`,
		`exec {"command":"ls","cwd":"/tmp","encoding":"utf8","env":{"A":"b"},"timeout":5000}`, `{"success":true,"exitCode":0,"stdout":"x"}`, `["x","ls","string"]`},
	{`sandbox.exec(["ls", "-la"], {sessionId: "s"}).then((r) => r.exitCode)`, `exec {"argv":["ls","-la"],"session":"s"}`, `{"exitCode":1}`, `1`},
	{`sandbox.exec("ls", {onComplete: (r) => { told = r.stdout }}).then(() => told)`, `exec {"command":"ls"}`, `{"stdout":"y"}`, `"y"`},
	{`sandbox.startProcess("bun a.ts", {processId: "p", autoCleanup: true})`, `startProcess {"command":"bun a.ts","processId":"p"}`,
		`{"id":"p","pid":7,"status":"running","startedAt":"2026-01-02T03:04:05Z"}`,
		`{"id":"p","pid":7,"status":"running","startedAt":"2026-01-02T03:04:05Z","startTime":"2026-01-02T03:04:05Z"}`},
	{`sandbox.startProcess("x", {ifRunning: "reuse", timeout: "1h"}, "s").then((p) => p.startTime.getTime())`, `startProcess {"command":"x","ifRunning":"reuse","session":"s","timeout":"1h"}`, `{"startedAt":"1970-01-01T00:00:01Z"}`, `1000`},
	{`sandbox.listProcesses().then((l) => [l.some((p) => p.id === "b"), Array.isArray(l), l.processes.length])`, `listProcesses {}`, `{"processes":[{"id":"a"},{"id":"b"}]}`, `[true,true,2]`},
	{`sandbox.getProcess("p").then((p) => p.id)`, `getProcess {"processId":"p"}`, `{"id":"p"}`, `"p"`},
	{`sandbox.getProcess("p")`, `getProcess {"processId":"p"}`, `!PROCESS_NOT_FOUND`, `null`},
	{`sandbox.killProcess("p", "SIGTERM")`, `killProcess {"processId":"p","signal":"SIGTERM"}`, `{"id":"p"}`, `{"id":"p"}`},
	{`sandbox.killAllProcesses()`, `killAllProcesses {}`, `{"count":3}`, `3`},
	{`sandbox.getLogs("p", {tail: 5})`, `getLogs {"processId":"p","tail":5}`, `{"stdout":"o","stderr":"e"}`, `{"stdout":"o","stderr":"e","processId":"p"}`},
	{`sandbox.getProcessLogs("p")`, `getLogs {"processId":"p"}`, `{"stdout":"o"}`, `{"stdout":"o","processId":"p"}`},
	{`sandbox.waitForPort(8080, {path: "/health"})`, `waitForPort {"path":"/health","port":8080}`, `{"port":8080}`, `{"port":8080}`},
	{`sandbox.waitForLog("p", "ready", 1000)`, `waitForLog {"pattern":"ready","processId":"p","timeout":1000}`, `{"line":"ready"}`, `{"line":"ready"}`},
	{`sandbox.waitForExit("p")`, `waitForExit {"processId":"p"}`, `{"exitCode":0}`, `{"exitCode":0}`},

	{`process.getStatus()`, `getProcess {"processId":"p"}`, `{"id":"p","status":"completed"}`, `"completed"`},
	{`process.getLogs()`, `getLogs {"processId":"p"}`, `{"stderr":"oh"}`, `{"stderr":"oh","processId":"p"}`},
	{`process.kill()`, `killProcess {"processId":"p"}`, `{"id":"p"}`, `{"id":"p"}`},
	{`process.waitForPort(8000)`, `waitForPort {"port":8000,"processId":"p"}`, `{"port":8000}`, `{"port":8000}`},
	{`process.waitForPort(3000, {mode: "http", path: "/health", status: {min: 200, max: 299}, timeout: 30000, interval: 500})`,
		`waitForPort {"interval":500,"mode":"http","path":"/health","port":3000,"processId":"p","status":{"min":200,"max":299},"timeout":30000}`, `{}`, `{}`},
	{`process.waitForLog(/Local: http:\/\/localhost:(?<port>\d+)/i).then((r) => [r.match[1], r.match.groups.port])`,
		`waitForLog {"pattern":"(?i)Local: http://localhost:(?\u003cport\u003e\\d+)","processId":"p","regexp":true}`, `{"line":"  local: http://localhost:5173/","match":["x"]}`, `["5173","5173"]`},
	{`process.waitForLog(/\u0041\u{1f600}\n/u, {timeout: "5s"}).then((r) => r.match[0])`, `waitForLog {"pattern":"\\x{0041}\\x{1f600}\\n","processId":"p","regexp":true,"timeout":"5s"}`, `{"line":"A","match":["seen"]}`, `"seen"`},
	{`process.waitForExit(2000)`, `waitForExit {"processId":"p","timeout":2000}`, `{"exitCode":2}`, `{"exitCode":2}`},

	{`session.exec("ls").then((r) => r.stdout)`, `exec {"command":"ls","session":"s"}`, `{"stdout":"x"}`, `"x"`},
	{`session.startProcess("x", {env: {B: "c"}}).then((p) => p.id)`, `startProcess {"command":"x","env":{"B":"c"},"session":"s"}`, `{"id":"q"}`, `"q"`},
	{`session.setEnvVars({A: "1"}).then(() => session.exec("ls", {env: {B: "2"}})).then(() => 0)`, `exec {"command":"ls","env":{"A":"1","B":"2"},"session":"s"}`, `{}`, `0`},
	{`session.readFile("a.txt").then((r) => r.content)`, `readFile {"path":"/w/a.txt"}`, `{"content":"x"}`, `"x"`},

	{`sandbox.writeFile("/a", "text", {encoding: "utf-8", mode: 0o755, sessionId: "s"}).then((r) => [r.success, r.path, r.bytesWritten])`, `writeFile {"content":"text","encoding":"utf8","mode":"0755","path":"/a"}`, `{"path":"/a","size":4}`, `[true,"/a",4]`},
	{`sandbox.readFile("/a.json").then((r) => [r.content, r.mimeType])`, `readFile {"path":"/a.json"}`, `{"content":"{}","encoding":"utf8","isBinary":false,"size":2}`, `["{}","application/json"]`},
	{`sandbox.mkdir("/d", {recursive: true}).then((r) => [r.success, r.path, r.recursive])`, `mkdir {"path":"/d","recursive":true}`, `{}`, `[true,"/d",true]`},
	{`sandbox.deleteFile("/d", {recursive: true}).then((r) => r.path)`, `deleteFile {"path":"/d","recursive":true}`, `{}`, `"/d"`},
	{`sandbox.renameFile("/a", "/b").then((r) => r.newPath)`, `renameFile {"newPath":"/b","oldPath":"/a"}`, `{}`, `"/b"`},
	{`sandbox.moveFile("/a", "/b").then((r) => r.newPath)`, `moveFile {"destinationPath":"/b","sourcePath":"/a"}`, `{}`, `"/b"`},
	{`sandbox.exists("/a").then((r) => [r.exists, r.success])`, `exists {"path":"/a"}`, `{"exists":true}`, `[true,true]`},
	{`sandbox.setPermissions("/a", 0o644).then((r) => r.success)`, `setPermissions {"mode":"0644","path":"/a"}`, `{}`, `true`},
	{`sandbox.listFiles("/w", {recursive: true}).then((r) => [r.count, r.files[0].absolutePath, r.files[0].permissions.executable, r.files[0].name])`, `listFiles {"path":"/w","recursive":true}`,
		`{"files":[{"name":"a","path":"s/a","type":"file","size":1,"mode":"0755","modifiedAt":"x"}],"truncated":false}`, `[1,"/w/s/a",true,"a"]`},
	{`sandbox.searchFiles("/w", {glob: "*.ts"})`, `searchFiles {"glob":"*.ts","path":"/w"}`, `{"matches":[]}`, `{"matches":[]}`},
	{`sandbox.searchFiles({text: /a+/i})`, `searchFiles {"ignoreCase":true,"regexp":true,"text":"a+"}`, `{"matches":[]}`, `{"matches":[]}`},
	{`sandbox.checkout("https://x/r.git", {branch: "b", targetDir: "d", depth: 1}).then((r) => [r.repoUrl, r.commit])`, `checkout {"branch":"b","depth":1,"targetDir":"d","url":"https://x/r.git"}`, `{"commit":"c"}`, `["https://x/r.git","c"]`},
	{`sandbox.gitCheckout("https://x/r.git", {cloneTimeoutMs: 5}).then((r) => r.success)`, `checkout {"timeout":5,"url":"https://x/r.git"}`, `{}`, `true`},

	{`sandbox.exposePort(8000)`, `exposePort {"port":8000}`, `{"port":8000,"url":"u","exposedAt":"u"}`, `{"port":8000,"url":"u","exposedAt":"u"}`},
	{`sandbox.exposePort(8000, "web")`, `exposePort {"name":"web","port":8000}`, `{}`, `{}`},
	{`sandbox.exposePort(8000, {hostname: "h", name: "n", token: "abcdefgh", ifExposed: "error", policy: {maxBytes: 5}})`, `exposePort {"ifExposed":"error","name":"n","policy":{"maxBytes":5},"port":8000,"token":"abcdefgh"}`, `{}`, `{}`},
	{`sandbox.unexposePort(8000)`, `unexposePort {"port":8000}`, `{}`, `undefined`},
	{`sandbox.closePort(8000, {drain: "1s"})`, `unexposePort {"drain":"1s","port":8000}`, `{}`, `undefined`},
	{`sandbox.getExposedPorts().then((r) => r.ports[0].port)`, `getExposedPorts {}`, `{"ports":[{"port":1}]}`, `1`},
	{`sandbox.getExposedPorts("host").then((r) => [r.length, r[0].port, r.ports.length])`, `getExposedPorts {}`, `{"ports":[{"port":1}]}`, `[1,1,1]`},
	{`sandbox.isPortExposed(8000)`, `isPortExposed {"port":8000}`, `{"value":true}`, `true`},
	{`sandbox.validatePortToken(8000, "t")`, `validatePortToken {"port":8000,"token":"t"}`, `{"value":false}`, `false`},
	{`sandbox.createPreviewLink(8000, {ttl: "1h", path: "/x"})`, `createPreviewLink {"path":"/x","port":8000,"ttl":"1h"}`, `{"url":"u"}`, `{"url":"u"}`},
	{`sandbox.getListeningPorts()`, `getListeningPorts {}`, `{"ports":[]}`, `{"ports":[]}`},
	{`sandbox.exec("x", {noSuch: 1})`, `exec {"command":"x","noSuch":1}`, `{}`, `"InvalidRequestError exec: unknown field \"noSuch\""`},
}

// TestMethods calls each method and compares what the edge is asked with the operation
// table, which must not hold an operation that no method asks for.
func TestMethods(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	source.WriteString(`import { getSandbox } from "@cloudflare/sandbox";
let told: any;
const calls: ((sandbox: any, session: any, process: any) => any)[] = [
`)
	for _, m := range methods {
		fmt.Fprintf(&source, "  (sandbox, session, process) => %s,\n", m.call)
	}
	source.WriteString(`];
export default { async fetch(request: Request, env: any) {
  const sandbox = getSandbox(env.Sandbox, "a"), n = Number(new URL(request.url).searchParams.get("n"));
  const session = await sandbox.createSession({ id: "s" }), process = await sandbox.startProcess("x", { processId: "p" });
  try {
    const v = await calls[n](sandbox, session, process);
    return new Response(v === undefined ? "undefined" : JSON.stringify(v));
  } catch (e: any) { return Response.json(e.name + " " + e.message); }
} };`)
	answer := ""
	prepared := 0
	s := &services{}
	s.operate = func(name string, _ json.RawMessage) (any, error) {
		if prepared < 2 {
			prepared++
			return json.RawMessage([]string{`{"id":"s","cwd":"/w"}`, `{"id":"p"}`}[prepared-1]), nil
		}
		if code, ok := strings.CutPrefix(answer, "!"); ok {
			return nil, abi.Errorf(abi.Code(code), "it is not there")
		}
		return json.RawMessage(answer), nil
	}
	p, log := s.with(t, source.String())
	seen := map[string]bool{}
	for i, m := range methods {
		answer, prepared = m.answer, 0
		got := tell(t, p, request(fmt.Sprintf("/?n=%d", i)))
		asked := s.take()
		if len(asked) != 3 || asked[2] != m.asked {
			t.Errorf("%s\nasked %q\nwant  %s", m.call, asked, m.asked)
			continue
		}
		if want := "200 " + m.want; got != want {
			t.Errorf("%s\ngave %s\nwant %s", m.call, got, want)
		}
		name, _, _ := strings.Cut(m.asked, " ")
		seen[name] = true
	}
	for _, row := range abi.Operations {
		if row.Kind() == abi.KindCall && !seen[row.Name()] {
			t.Errorf("no method asks for %s", row.Name())
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}
