// Sends every message back as it came, text as text and binary as binary.
Bun.serve({
  port: 8084,
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
    open() {
      console.log("client connected");
    },
    message(ws, message) {
      ws.send(message);
    },
    close(_ws, code) {
      console.log(`client disconnected (${code})`);
    },
  },
});

console.log("echo server listening on port 8084");
