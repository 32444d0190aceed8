// Lets nobody to a preview who does not show the key.
import { getSandbox, proxyToSandbox } from "@cloudflare/sandbox";

export { Sandbox } from "@cloudflare/sandbox";

export default {
  async fetch(request: Request, env: any): Promise<Response> {
    if (request.headers.get("Authorization") !== `Bearer ${env.KEY}`) {
      return new Response("Who are you?", { status: 401, headers: { "WWW-Authenticate": "Bearer" } });
    }
    const preview = await proxyToSandbox(request, env);
    if (preview) return preview;
    const sandbox = getSandbox(env.Sandbox, "guarded");
    const server = await sandbox.startProcess("bun run server.ts", { processId: "server" });
    await server.waitForPort(8080);
    return Response.json(await sandbox.exposePort(8080));
  },
};
