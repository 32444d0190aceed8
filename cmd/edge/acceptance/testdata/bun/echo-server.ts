// The WebSocket server of the guides: nothing in it knows of previews.
Bun.serve({
  port: 8080,
  hostname: "0.0.0.0",
  fetch(req, server) {
    if (server.upgrade(req)) {
      return;
    }
    return new Response("WebSocket echo server");
  },
  websocket: {
    message(ws, message) {
      ws.send(`Echo: ${message}`);
    },
    open() {
      console.log("Client connected");
    },
    close() {
      console.log("Client disconnected");
    },
  },
});

console.log("WebSocket server listening on port 8080");
