// Expose with a descriptive name
const exposed = await sandbox.exposePort(8000, 'web-server');
console.log(`Name: ${exposed.name}`);
console.log(`URL: ${exposed.url}`);
console.log(`Port: ${exposed.port}`);
