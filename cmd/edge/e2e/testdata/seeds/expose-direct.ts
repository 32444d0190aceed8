// Handle WebSocket upgrade in your Worker
export default {
async fetch(request: Request, env: Env): Promise<Response> {
const upgrade = request.headers.get('Upgrade');
if (upgrade === 'websocket') {
const sandbox = getSandbox(env.Sandbox, 'my-sandbox');
// Connect directly to sandbox port
return await sandbox.wsConnect(request, 8080);
}
// Regular HTTP request
// ...
}
}
