const server = await sandbox.startProcess('node server.js');
// Wait for HTTP 200 response
await server.waitForPort(3000, {
mode: 'http',
path: '/health',
timeout: 30000
});
// Now safe to expose
const exposed = await sandbox.exposePort(3000);
