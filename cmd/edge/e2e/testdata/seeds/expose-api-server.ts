// Start Express server
await sandbox.writeFile('/workspace/server.js', `
const express = require('express');
const app = express();
app.get('/api/hello', (req, res) => {
res.json({ message: 'Hello from sandbox!' });
});
app.listen(3000, () => {
console.log('Server ready');
});
`);
const server = await sandbox.startProcess('node server.js');
await server.waitForLog('Server ready');
const exposed = await sandbox.exposePort(3000, 'api');
// Test the API
const response = await fetch(`${exposed.url}/api/hello`);
const data = await response.json();
console.log(data); // { message: 'Hello from sandbox!' }
