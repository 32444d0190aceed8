await sandbox.startProcess("python -m http.server 8000");
const exposed = await sandbox.exposePort(8000);
console.log("Available at:", exposed.exposedAt);
// https://8000-abc123.example.com
// Multiple services with names
await sandbox.startProcess("node api.js");
const api = await sandbox.exposePort(3000, { name: "api" });
await sandbox.startProcess("npm run dev");
const frontend = await sandbox.exposePort(5173, { name: "frontend" });
