// Clone a static site
await sandbox.checkout('https://github.com/user/static-site');
// Serve with Python
const server = await sandbox.startProcess(
'python3 -m http.server 8000',
{ cwd: '/workspace/static-site' }
);
await server.waitForPort(8000);
const exposed = await sandbox.exposePort(8000, 'static-site');
return Response.json({
message: 'Site deployed',
url: exposed.url
});
