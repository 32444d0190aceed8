// The plugin behind /ws/echo-assemblyscript?id=ID: each id is a sandbox of its own, in
// which a WebSocket server sends back whatever it is sent. Plain HTTP asks for the
// sandbox's state.

import { Code, JsonWriter, Request, Response, Server, fail, getSandbox, handle } from "edge-sdk";
import { script } from "./server";

export * from "edge-sdk/exports";

// server is what runs in each sandbox. It is started by the first request that needs it.
const server: Server = {
  processId: "ws-echo", port: 8080, path: "/tmp/ws-echo.ts", source: script, command: "bun run /tmp/ws-echo.ts", timeout: 20_000,
};

handle((request: Request): Response => {
  const id = request.query("id", "echo-service");
  const sandbox = getSandbox("Sandbox", id);
  if (request.isUpgrade) {
    const ready = sandbox.ensureServer(server);
    if (ready.failed) return ready.fail();
    return sandbox.wsConnect(request, server.port);
  }
  if (request.method != "GET") return fail(Code.INVALID_REQUEST, "this address speaks WebSocket, and answers GET with the sandbox's state");
  const now = sandbox.getState();
  if (now.failed) return now.fail();
  const answer = new JsonWriter().object().text("id", id).text("state", now.value.state).integer("connections", now.value.connections).end();
  return Response.json(200, answer);
});
