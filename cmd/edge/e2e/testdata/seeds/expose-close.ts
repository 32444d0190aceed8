// Close a specific port
await sandbox.closePort(8000);
// Verify it's closed
const ports = await sandbox.getExposedPorts();
const isOpen = ports.ports.some(p => p.port === 8000);
console.log('Port 8000 exposed:', isOpen); // false
