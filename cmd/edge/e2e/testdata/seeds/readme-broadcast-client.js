const ws = new WebSocket('ws://localhost:8787/ws/broadcast?id=shared-room');

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);

  if (data.type === 'join') {
    console.log(`User ${data.id} joined, ${data.count} online`);
  } else if (data.type === 'message') {
    console.log(`${data.from}: ${data.text}`);
  }
};

ws.send('Hello everyone!');
