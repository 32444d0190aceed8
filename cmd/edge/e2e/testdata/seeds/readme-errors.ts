try {
  return await connect(sandbox, request, port);
} catch (error) {
  console.error('Failed to connect:', error);
  return new Response('WebSocket server unavailable', { status: 503 });
}
