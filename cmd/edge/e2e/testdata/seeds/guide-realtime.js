export default {
  async fetch(request, env) {
    const sandbox = getSandbox(env.Sandbox, "data-processor");

    // Incoming HTTP request needs real-time data from sandbox
    const wsRequest = new Request("ws://internal", {
      headers: {
        Upgrade: "websocket",
        Connection: "Upgrade",
      },
    });

    // Connect to WebSocket service in sandbox
    const wsResponse = await sandbox.wsConnect(wsRequest, 8080);

    // Process WebSocket stream and return HTTP response
    // (Implementation depends on your needs)

    return new Response("Processed real-time data");
  },
};
