try {
  await sandbox.startProcess('bun run /tmp/server.ts', {
    processId: 'ws-server-8080' // Named ID prevents duplicates
  });
} catch (error: any) {
  if (!error.message?.includes('already exists')) {
    throw error;
  }
}
