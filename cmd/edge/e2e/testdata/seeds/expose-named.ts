await sandbox.exposePort(3000, 'api-server');
await sandbox.exposePort(5173, 'vite-dev');
await sandbox.exposePort(8080, 'websocket');
