// Expose port for limited time
const exposed = await sandbox.exposePort(8000);
// Close after 1 hour
setTimeout(async () => {
await sandbox.closePort(8000);
}, 3600000);
