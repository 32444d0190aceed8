// A room: everybody reads what anybody writes. The server sends events in JSON:
//   {type: "join",    id, count}          id came; count are here now
//   {type: "leave",   id, count}          id went
//   {type: "message", from, text, count}  from wrote text
// A client's own join is the first event it gets, so that it learns its id.
// Clients send plain text.
import type { ServerWebSocket } from "bun";

type Client = ServerWebSocket<{ id: string }>;

const clients = new Set<Client>();

function broadcast(event: object) {
  const text = JSON.stringify(event);
  for (const client of clients) client.send(text);
}

Bun.serve<{ id: string }>({
  port: 8081,
  hostname: "0.0.0.0",
  fetch(req, server) {
    const id = `user-${crypto.randomUUID().slice(0, 8)}`;
    if (server.upgrade(req, { data: { id } })) return;
    return new Response("Expected a WebSocket", { status: 426, headers: { Upgrade: "websocket" } });
  },
  websocket: {
    idleTimeout: 0, // how long a client may be silent is the edge's policy
    maxPayloadLength: 64 * 1024,
    closeOnBackpressureLimit: true, // who reads too slowly is cut off, not kept in memory
    open(ws) {
      clients.add(ws);
      broadcast({ type: "join", id: ws.data.id, count: clients.size });
    },
    message(ws, message) {
      if (typeof message !== "string") {
        ws.send(JSON.stringify({ type: "error", error: "Messages are text" }));
        return;
      }
      broadcast({ type: "message", from: ws.data.id, text: message, count: clients.size });
    },
    close(ws) {
      clients.delete(ws);
      broadcast({ type: "leave", id: ws.data.id, count: clients.size });
    },
  },
});

console.log("broadcast server listening on port 8081");
