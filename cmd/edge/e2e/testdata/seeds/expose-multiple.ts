// Start frontend and backend
const frontend = await sandbox.startProcess(
'npm run dev',
{ cwd: '/workspace/frontend' }
);
const backend = await sandbox.startProcess(
'npm start',
{ cwd: '/workspace/backend' }
);
// Wait for both to be ready
await Promise.all([
frontend.waitForPort(5173),
backend.waitForPort(3000)
]);
// Expose both
const [frontendUrl, backendUrl] = await Promise.all([
sandbox.exposePort(5173, 'frontend'),
sandbox.exposePort(3000, 'backend')
]);
return Response.json({
frontend: frontendUrl.url,
backend: backendUrl.url
});
