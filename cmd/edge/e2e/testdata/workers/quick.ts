// In the shape of the quick example of @cloudflare/sandbox 0.12: previews first, then
// a command, then a file.
import { getSandbox, proxyToSandbox, type Sandbox } from "@cloudflare/sandbox";

export { Sandbox } from "@cloudflare/sandbox";

interface Env {
  Sandbox: DurableObjectNamespace<Sandbox>;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const preview = await proxyToSandbox(request, env);
    if (preview) return preview;

    const { pathname } = new URL(request.url);
    const sandbox = getSandbox(env.Sandbox, "quick", { sleepAfter: "30m", labels: { tenantId: "tenant_123", workload: "test" } });
    switch (pathname) {
      case "/run": {
        const result = await sandbox.exec('python3 -c "print(6 * 7)"');
        return Response.json({ output: result.stdout, success: result.success });
      }
      case "/file": {
        await sandbox.writeFile("/workspace/greeting.txt", "Good morning, sandbox");
        const file = await sandbox.readFile("/workspace/greeting.txt");
        return Response.json({ content: file.content });
      }
      case "/serve": {
        const server = await sandbox.startProcess("python3 -m http.server 8000");
        await server.waitForPort(8000, { mode: "tcp" });
        return Response.json(await sandbox.exposePort(8000, { hostname: new URL(request.url).host }));
      }
      case "/tunnel": {
        const tunnel = await (sandbox as any).tunnels.get(8080);
        return Response.json(tunnel.url);
      }
    }
    return new Response("Try /run or /file");
  },
};
