import { getSandbox, proxyToSandbox } from "@cloudflare/sandbox";

export default {
  async fetch(request, env) {
    const sandbox = getSandbox(env.Sandbox, "echo-service");

    // Expose the port to get preview URL
    const { exposedAt } = await sandbox.exposePort(8080);

    // Return URL to clients
    if (request.url.includes("/ws-url")) {
      return Response.json({ url: exposedAt.replace("https", "wss") });
    }

    // Auto-route all requests via proxyToSandbox
    return proxyToSandbox(request, env.Sandbox, "echo-service");
  },
};
