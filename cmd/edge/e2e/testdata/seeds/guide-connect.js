import { getSandbox } from "@cloudflare/sandbox";

export { Sandbox } from "@cloudflare/sandbox";

export default {
  async fetch(request, env) {
    if (request.headers.get("Upgrade")?.toLowerCase() === "websocket") {
      const sandbox = getSandbox(env.Sandbox, "echo-service");
      return await sandbox.wsConnect(request, 8080);
    }

    return new Response("WebSocket endpoint");
  },
};
