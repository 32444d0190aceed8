await server.waitForPort(3000, {
mode: 'http',
path: '/health', // Endpoint to check
status: 200, // Expected status code
timeout: 30000, // Max wait time
interval: 500 // Check interval
});
