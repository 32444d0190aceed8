import { getSandbox } from '@cloudflare/sandbox';

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // Connect to WebSocket services in sandbox
    if (request.headers.get('Upgrade')?.toLowerCase() === 'websocket') {
      const sandbox = getSandbox(env.Sandbox, 'user-123');
      return await sandbox.wsConnect(request, 8080);
    }

    return Response.json({ message: 'WebSocket endpoint' });
  }
};
