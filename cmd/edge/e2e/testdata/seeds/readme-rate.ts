const rateLimits = new Map();

websocket: {
  message(ws, message) {
    const clientId = ws.data.id;
    const now = Date.now();

    const lastMessage = rateLimits.get(clientId) || 0;
    if (now - lastMessage < 100) { // Max 10 msg/sec
      ws.send(JSON.stringify({ error: 'Rate limit exceeded' }));
      return;
    }

    rateLimits.set(clientId, now);
    // Handle message
  }
}
