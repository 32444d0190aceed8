console.log(request.headers.get('Upgrade')); // 'websocket'
console.log(request.headers.get('Connection')); // 'Upgrade'
