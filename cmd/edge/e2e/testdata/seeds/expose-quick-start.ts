const sandbox = getSandbox(env.Sandbox, 'my-sandbox');
// Start a web server
const server = await sandbox.startProcess('python3 -m http.server 8000');
// Wait for server to be ready
await server.waitForPort(8000);
// Expose the port
const exposed = await sandbox.exposePort(8000);
console.log(`Server available at: ${exposed.url}`);
// https://8000-my-sandbox.example.workers.dev
