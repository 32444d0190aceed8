try {
await sandbox.exposePort(8000);
} catch (error) {
if (error.message.includes('already exposed')) {
// Port already exposed, get the URL
const ports = await sandbox.getExposedPorts();
const existing = ports.ports.find(p => p.port === 8000);
console.log('Already exposed at:', existing?.url);
}
}
