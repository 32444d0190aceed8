await sandbox.startProcess('bun run /tmp/server.ts');
await new Promise(resolve => setTimeout(resolve, 1000)); // Wait 1 second
return connect(sandbox, request, port);
