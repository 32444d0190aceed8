Bun.serve({
  port: 8080,
  websocket: {
    message(ws, message) {
      ws.send(message);
    }
  }
});
