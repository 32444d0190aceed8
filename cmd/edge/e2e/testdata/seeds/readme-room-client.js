// All clients sharing the same sandbox ID see each other's messages
const ws = new WebSocket('wss://your-worker.workers.dev/ws/broadcast?id=room-123');

ws.send('Hello from client!');
// All clients in room-123 receive this message
