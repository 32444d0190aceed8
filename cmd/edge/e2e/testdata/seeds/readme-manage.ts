// Check if server is running before connecting
const processes = await sandbox.listProcesses();
const serverRunning = processes.some(p => p.id === 'ws-server-8080');

if (!serverRunning) {
  // Start server
  await sandbox.startProcess('bun run /tmp/ws-server.ts', {
    processId: 'ws-server-8080'
  });
  await new Promise(resolve => setTimeout(resolve, 1000));
}

return connect(sandbox, request, 8080);
