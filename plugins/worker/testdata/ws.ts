import { getSandbox } from "@cloudflare/sandbox";

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    const id = new URL(request.url).searchParams.get("id") ?? "main";
    const sandbox = getSandbox(env.Sandbox, id);
    const p = await sandbox.startProcess("bun server.ts", { processId: "server-" + id });
    if (p.id !== "server-" + id) throw new Error("another process: " + p.id);
    return sandbox.wsConnect(request, 8080);
  },
};
