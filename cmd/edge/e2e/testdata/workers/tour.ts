// Every operation that release 0.12 of @cloudflare/sandbox and this edge share, called
// as that release has it. Each path is one subject; its answer says what came of it.
import { getSandbox, parseSSEStream } from "@cloudflare/sandbox";

export { Sandbox } from "@cloudflare/sandbox";

type Subject = (sandbox: any, request: Request, env: any) => Promise<unknown>;

const subjects: Record<string, Subject> = {
  async commands(sandbox) {
    const heard: string[] = [];
    const result = await sandbox.exec("echo $WHO; pwd; echo problem >&2; exit 3", { cwd: "/tmp", env: { WHO: "me" }, timeout: 20000 });
    await sandbox.exec("echo one; echo two", { stream: true, onOutput: (stream: string, data: string) => heard.push(stream + ":" + data.trim()) });
    const events: any[] = [];
    for await (const event of parseSSEStream<any>(await sandbox.execStream("echo streamed; exit 4"))) events.push(event);
    const last = events[events.length - 1];
    return {
      success: result.success, exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr,
      heard: heard.join(" ").replaceAll("\n", " stdout:"), types: [...new Set(events.map((e) => e.type))], exit: last.exitCode,
      text: events.filter((e) => e.type === "stdout").map((e) => e.data).join(""),
    };
  },

  async processes(sandbox) {
    const worker = await sandbox.startProcess("echo begun; sleep 600", { processId: "worker", env: { A: "1" } });
    const found = await worker.waitForLog("begun");
    const running = await worker.getStatus();
    const listed = (await sandbox.listProcesses()).map((p: any) => p.id);
    let twice = "";
    try {
      await sandbox.startProcess("sleep 1", { processId: "worker" });
    } catch (error: any) {
      twice = error.name + ": " + error.message.includes("already exists") + " " + (error instanceof Error);
    }
    const same = await sandbox.getProcess("worker");
    const logs = await sandbox.getProcessLogs("worker");
    await worker.kill("SIGTERM");
    const after = await worker.getStatus();
    const quick = await sandbox.startProcess("echo done; exit 5", { processId: "quick" });
    const { exitCode } = await quick.waitForExit(20000);
    const lines: string[] = [];
    for await (const event of parseSSEStream<any>(await sandbox.streamProcessLogs("quick"))) if (event.type === "stdout") lines.push(event.data);
    const killed = await sandbox.killAllProcesses();
    return {
      line: found.line, running, listed, twice, command: same.command, stdout: logs.stdout, after, exitCode, lines: lines.join(""),
      killed, missing: await sandbox.getProcess("nobody"),
    };
  },

  async files(sandbox) {
    await sandbox.mkdir("/workspace/a/b", { recursive: true });
    await sandbox.writeFile("/workspace/a/b/text", "grüße");
    await sandbox.writeFile("/workspace/a/b/bytes", "AP/+", { encoding: "base64" });
    await sandbox.renameFile("/workspace/a/b/text", "/workspace/a/b/renamed");
    await sandbox.moveFile("/workspace/a/b/renamed", "/workspace/a/moved");
    const text = await sandbox.readFile("/workspace/a/moved");
    const bytes = await sandbox.readFile("/workspace/a/b/bytes", { encoding: "base64" });
    const list = await sandbox.listFiles("/workspace/a", { recursive: true });
    const before = await sandbox.exists("/workspace/a/moved");
    await sandbox.deleteFile("/workspace/a/moved");
    let missing = "";
    try {
      await sandbox.readFile("/workspace/a/moved");
    } catch (error: any) {
      missing = error.code;
    }
    return {
      text: text.content, bytes: bytes.content, names: list.files.map((f: any) => f.name).sort(), before: before.exists,
      after: (await sandbox.exists("/workspace/a/moved")).exists, missing,
    };
  },

  async sessions(sandbox) {
    await sandbox.setEnvVars({ SHARED: "everywhere", GONE: undefined });
    const session = await sandbox.createSession({ id: "mine", env: { MINE: "here" }, cwd: "/tmp" });
    const inside = await session.exec("echo $SHARED $MINE; pwd");
    const outside = await sandbox.exec("echo $SHARED $MINE; pwd");
    const again = await (await sandbox.getSession("mine")).exec("echo $MINE");
    await sandbox.deleteSession("mine");
    let gone = "";
    try {
      await session.exec("true");
    } catch (error: any) {
      gone = error.code;
    }
    return { inside: inside.stdout, outside: outside.stdout, again: again.stdout, gone };
  },

  async ports(sandbox, request) {
    const hostname = new URL(request.url).host;
    const server = await sandbox.startProcess("python3 -m http.server 8000");
    await server.waitForPort(8000, { path: "/", status: 200 });
    const exposed = await sandbox.exposePort(8000, { hostname, name: "web", token: "mytoken_1" });
    const ports = await sandbox.getExposedPorts(hostname);
    const list = Array.isArray(ports) ? ports : ports.ports;
    const answer = await fetch(exposed.url + "/");
    const page = await answer.text();
    const own = await sandbox.containerFetch(new Request("http://localhost/"), 8000);
    const right = await sandbox.validatePortToken(8000, "mytoken_1");
    const wrong = await sandbox.validatePortToken(8000, "mytoken_2");
    const before = await sandbox.isPortExposed(8000);
    await sandbox.unexposePort(8000);
    const closed = await fetch(exposed.url + "/");
    let invalid = "";
    try {
      await sandbox.exposePort(80);
    } catch (error: any) {
      invalid = error.code;
    }
    return {
      named: list[0].name, status: answer.status, listing: page.includes("Directory listing"), own: own.status, right, wrong, before,
      after: await sandbox.isPortExposed(8000), closed: closed.status, invalid, token: exposed.url.includes("mytoken_1"),
    };
  },

  async life(sandbox, _request, env) {
    await sandbox.exec("echo kept > /workspace/kept");
    await sandbox.stop();
    const stopped = await sandbox.getState();
    const kept = await sandbox.exec("cat /workspace/kept");
    await sandbox.destroy();
    const absent = await getSandbox(env.Sandbox, "life").getState();
    return { stopped: stopped.state, kept: kept.stdout, absent: absent.state };
  },

  async absent(sandbox) {
    const said: Record<string, string> = {};
    for (const name of ["runCode", "createCodeContext", "mountBucket", "createBackup"]) {
      try {
        await sandbox[name]("x", "y", {});
        said[name] = "did something";
      } catch (error: any) {
        said[name] = error.message;
      }
    }
    return said;
  },
};

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const name = new URL(request.url).pathname.split("/").pop()!;
    const subject = subjects[name];
    if (!subject) return new Response("No such subject", { status: 404 });
    return Response.json(await subject(getSandbox(env.Sandbox, name), request, env));
  },
};
