// Start Vite dev server
const dev = await sandbox.startProcess('npm run dev');
// Wait for "Local: http://localhost:5173"
await dev.waitForLog(/Local: http:\/\/localhost:(\d+)/);
// Expose the port
const exposed = await sandbox.exposePort(5173, 'vite-dev');
return Response.json({
message: 'Dev server running',
url: exposed.url
});
