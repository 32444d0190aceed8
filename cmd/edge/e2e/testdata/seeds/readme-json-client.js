const ws = new WebSocket('ws://localhost:8787/ws/json?id=my-session');

// Send ping
ws.send(JSON.stringify({ type: 'ping' }));

// Execute command in container
ws.send(JSON.stringify({
  type: 'exec',
  id: Date.now(),
  command: 'ls -la'
}));

// Get system info
ws.send(JSON.stringify({
  type: 'info',
  id: Date.now()
}));
