import { connect, getSandbox, proxyToSandbox, parseSSEStream, collectFile, type ExecEvent, type Sandbox, ProcessReadyTimeoutError } from "@cloudflare/sandbox";
export { Sandbox } from "@cloudflare/sandbox";
interface Env { Sandbox: DurableObjectNamespace<Sandbox>; KV: KVNamespace; NAME: string }
export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const proxied = await proxyToSandbox(request, env);
    if (proxied) return proxied;
    const sandbox = getSandbox(env.Sandbox, "a", { sleepAfter: "10m", keepAlive: true });
    const { exposedAt } = await sandbox.exposePort(8080, { hostname: "x", name: "a" });
    const p = await sandbox.startProcess("x", { processId: "p", env: { A: undefined } });
    await p.waitForPort(8000, { mode: "http", path: "/", status: { min: 200 } });
    const m = await p.waitForLog(/a(?<b>c)/);
    m.match.groups?.b;
    const l = await sandbox.listProcesses();
    l.some((q) => q.id === "x");
    for await (const e of parseSSEStream<ExecEvent>(await sandbox.execStream("ls"))) if (e.type === "stdout") console.log(e.data);
    const { content } = await collectFile(await sandbox.readFileStream("/a"));
    const r = await sandbox.wsConnect(request, 8080);
    r.webSocket?.accept();
    try { await sandbox.exec("x", { timeout: 5, onOutput: (s, d) => {} }) } catch (e) { if (e instanceof ProcessReadyTimeoutError) e.diagnosis }
    const f = await sandbox.readFile("/x", { encoding: "none" }); f.content.getReader();
    ctx.waitUntil(Promise.resolve());
    const ports = await sandbox.getExposedPorts("host"); ports.map((x) => x.url);
    const existing = (await sandbox.getExposedPorts()).ports.find((p) => p.port === 8000);
    const j = await env.KV.get<{ a: number }>("x", "json"); j?.a;
    if (exposedAt) return connect(sandbox, request, 8080);
    return proxyToSandbox(request, env.Sandbox, "x");
  },
} satisfies ExportedHandler<Env>;
