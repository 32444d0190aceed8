const result = await sandbox.getExposedPorts();
result.ports.forEach(port => {
console.log(`Port ${port.port}: ${port.url}`);
if (port.name) {
console.log(` Name: ${port.name}`);
}
});
