try {
const exposed = await sandbox.exposePort(8000);
// Use the service...
} finally {
await sandbox.closePort(8000);
}
