// The functions of the engine's table (plugins/worker/link, functions.go). Everything
// that the runtime asks of the edge goes through this object, which index.js fills;
// tests in another engine put their own functions into it.
export const edge = {};
