let reconnectAttempts = 0;
const maxAttempts = 5;

function connect() {
  const ws = new WebSocket(url);

  ws.onclose = () => {
    if (reconnectAttempts < maxAttempts) {
      reconnectAttempts++;
      setTimeout(connect, 1000 * reconnectAttempts);
    }
  };

  ws.onopen = () => {
    reconnectAttempts = 0;
  };
}
