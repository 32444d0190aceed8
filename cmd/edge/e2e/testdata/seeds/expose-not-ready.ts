try {
await server.waitForPort(8000, { timeout: 30000 });
} catch (error) {
// Check server logs
const logs = await server.getLogs();
console.error('Server logs:', logs.stderr);
// Check if process is still running
const status = await server.getStatus();
console.log('Process status:', status);
}
