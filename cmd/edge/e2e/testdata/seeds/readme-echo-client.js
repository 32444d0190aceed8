const ws = new WebSocket('ws://localhost:8787/ws/echo?id=my-session');

ws.onmessage = (event) => {
  console.log('Received:', event.data);
};

ws.send('Hello!');
// Receives: "Hello!"
