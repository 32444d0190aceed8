// Servers that do not do what a WebSocket client asks for, one for each port.
const answers: Record<number, string | null> = {
  9001: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain",
  9002: "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Own: yes\r\n\r\ngone",
  9003: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
  9004: "\x00\x01\x02 this is not HTTP\r\n\r\n",
  9005: null, // hangs up
  9006: "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  9007: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
};

for (const [port, answer] of Object.entries(answers)) {
  Bun.listen({
    hostname: "127.0.0.1",
    port: Number(port),
    socket: {
      data(socket) {
        if (answer !== null) socket.write(answer);
        socket.end();
      },
    },
  });
}

// A well-behaved one, which speaks first and closes with a code of its own.
Bun.serve({
  port: 9009,
  fetch: (request, server) => server.upgrade(request) ? undefined : new Response("ready"),
  websocket: {
    open: (ws) => { ws.send("first"); },
    message: (ws, message) => { ws.close(4321, `you said ${message}`); },
  },
});
