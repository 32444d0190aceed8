// A Worker: the same program that would run on Cloudflare. The client's WebSocket is
// spliced with port 8084 of the sandbox that the request names.
import { getSandbox, type Sandbox } from "@cloudflare/sandbox";
import server from "./server.ts" with { type: "text" };

export { Sandbox } from "@cloudflare/sandbox";

interface Env {
  Sandbox: DurableObjectNamespace<Sandbox>;
}

const PORT = 8084;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/ts/echo") return new Response("not found\n", { status: 404 });
    const id = searchParams.get("id") ?? "echo-1";
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return Response.json({ connect: `new WebSocket("ws://${new URL(request.url).host}/ts/echo?id=${id}")` });
    }
    const sandbox = getSandbox(env.Sandbox, id); // a handle: it starts nothing
    await sandbox.writeFile("/tmp/ts-echo.ts", server);
    const echo = await sandbox.startProcess("bun run /tmp/ts-echo.ts", { processId: "ts-echo", ifRunning: "reuse" });
    await echo.waitForPort(PORT); // ready means reachable, or says why not
    return sandbox.wsConnect(request, PORT); // the edge splices: no message comes through here
  },
} satisfies ExportedHandler<Env>;
