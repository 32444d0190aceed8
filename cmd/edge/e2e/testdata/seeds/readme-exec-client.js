const ws = new WebSocket('wss://your-worker.workers.dev/ws/json');

ws.send(JSON.stringify({
  type: 'exec',
  command: 'python train.py',
  id: Date.now()
}));

// Receive execution results
ws.onmessage = (event) => {
  const result = JSON.parse(event.data);
  console.log('stdout:', result.stdout);
  console.log('exit code:', result.exitCode);
};
