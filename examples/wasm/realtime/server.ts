// Sends a reading every 50 ms to whoever is connected:
//   {seq, value, time}  seq counts from 1 for each connection, time is in milliseconds
import type { ServerWebSocket } from "bun";

type Client = ServerWebSocket<{ timer?: Timer; seq: number }>;

function reading(ws: Client) {
  ws.data.seq++;
  const value = Math.round((20 + 5 * Math.sin(Date.now() / 1000)) * 100) / 100;
  ws.send(JSON.stringify({ seq: ws.data.seq, value, time: Date.now() }));
}

Bun.serve<{ timer?: Timer; seq: number }>({
  port: 8083,
  hostname: "0.0.0.0",
  fetch(req, server) {
    if (server.upgrade(req, { data: { seq: 0 } })) return;
    return new Response("Expected a WebSocket", { status: 426, headers: { Upgrade: "websocket" } });
  },
  websocket: {
    open(ws) {
      reading(ws);
      ws.data.timer = setInterval(reading, 50, ws);
    },
    message() {
      // the stream goes one way
    },
    close(ws) {
      clearInterval(ws.data.timer);
    },
  },
});

console.log("realtime server listening on port 8083");
