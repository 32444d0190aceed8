websocket: {
  message(ws, message) {
    try {
      const data = JSON.parse(message.toString());

      if (!data.type || typeof data.type !== 'string') {
        ws.send(JSON.stringify({ error: 'Invalid message format' }));
        return;
      }

      // Handle valid message
    } catch (error) {
      ws.send(JSON.stringify({ error: 'Invalid JSON' }));
    }
  }
}
