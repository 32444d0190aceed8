import { connect, getSandbox, Sandbox } from "@cloudflare/sandbox";

async function handleWebSocket(request: Request, env: Env): Promise<Response> {
  const sandboxId = "my-sandbox";
  const sandbox = getSandbox(env.Sandbox, sandboxId);
  const port = 8080;

  // 1. Create WebSocket server script (using Bun)
  const serverScript = `
const port = ${port};

Bun.serve({
  port,
  fetch(req, server) {
    if (server.upgrade(req)) {
      return;
    }
    return new Response('Expected WebSocket', { status: 400 });
  },
  websocket: {
    message(ws, message) {
      // Handle incoming messages
      ws.send('Echo: ' + message);
    },
    open(ws) {
      console.log('Client connected');
    },
    close(ws) {
      console.log('Client disconnected');
    },
  },
});

console.log(\`WebSocket server listening on port \${port}\`);
`;

  // 2. Write server script to container
  await sandbox.writeFile('/tmp/ws-server.ts', serverScript);

  // 3. Start the server as a background process
  try {
    await sandbox.startProcess(`bun run /tmp/ws-server.ts`, {
      processId: `ws-server-${port}`
    });
  } catch (error: any) {
    // Server might already be running
    if (!error.message?.includes('already exists')) {
      throw error;
    }
  }

  // 4. Give server time to start
  await new Promise(resolve => setTimeout(resolve, 1000));

  // 5. Route WebSocket to container server
  return await connect(sandbox, request, port);
}
