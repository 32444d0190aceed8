const exposed = await sandbox.exposePort(3000);
setInterval(async () => {
try {
const response = await fetch(`${exposed.url}/health`);
if (!response.ok) {
console.error('Service unhealthy:', response.status);
}
} catch (error) {
console.error('Health check failed:', error);
}
}, 30000);
