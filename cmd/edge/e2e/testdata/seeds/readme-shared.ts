// Shared sandbox - all clients connect to same server
const sandbox = getSandbox(env.Sandbox, "shared-room");

// Isolated sandbox - each user gets their own server
const sandbox = getSandbox(env.Sandbox, userId);
