await sandbox.writeFile('/workspace/server.js', `
const express = require('express');
const app = express();
app.use((req, res, next) => {
const token = req.headers['authorization'];
if (token !== 'Bearer secret-token') {
return res.status(401).json({ error: 'Unauthorized' });
}
next();
});
// Your routes...
`);
