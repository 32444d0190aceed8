// Start WebSocket server
await sandbox.writeFile('/workspace/ws-server.js', `
const WebSocket = require('ws');
const wss = new WebSocket.Server({ port: 8080 });
wss.on('connection', (ws) => {
ws.on('message', (message) => {
ws.send(\`Echo: \${message}\`);
});
});
console.log('WebSocket server listening on port 8080');
`);
const server = await sandbox.startProcess('node ws-server.js');
await server.waitForLog('WebSocket server listening');
const exposed = await sandbox.exposePort(8080, 'websocket');
// Connect via WebSocket (convert https:// to wss://)
const wsUrl = exposed.url.replace('https://', 'wss://');
const ws = new WebSocket(wsUrl);
