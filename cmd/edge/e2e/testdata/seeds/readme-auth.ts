async function handleWebSocket(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  const token = url.searchParams.get('token');

  if (!await verifyToken(token)) {
    return new Response('Unauthorized', { status: 401 });
  }

  // Route to WebSocket
  return connect(sandbox, request, port);
}
