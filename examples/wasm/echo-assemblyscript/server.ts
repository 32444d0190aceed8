// What is written into each sandbox: a server for Bun, as ../echo/server.ts is.
export const script: string = `
Bun.serve({
  port: 8080,
  hostname: "0.0.0.0",
  fetch(req, server) {
    if (server.upgrade(req)) return;
    return new Response("Expected a WebSocket", { status: 426, headers: { Upgrade: "websocket" } });
  },
  websocket: {
    idleTimeout: 0, // how long a client may be silent is the edge's policy
    // A client that sends and never reads is cut off rather than sent a stream with gaps.
    backpressureLimit: 16 * 1024 * 1024,
    closeOnBackpressureLimit: true,
    message(ws, message) {
      ws.send(message);
    },
  },
});
`;
