// A room for one: what the page sends comes back with the transport it came by.
const http = require('node:http')
const { Server } = require('socket.io')

const page = `<!doctype html>
<link rel="icon" href="data:,">
<title>socket.io</title>
<style>body { font: 24px sans-serif; margin: 3em; }</style>
<h1>connecting</h1>
<ol></ol>
<script src="/socket.io/socket.io.js"></script>
<script>
  const socket = io()
  const state = () => {
    document.querySelector('h1').textContent = socket.connected ? 'connected by ' + socket.io.engine.transport.name : 'disconnected'
  }
  socket.on('connect', () => {
    state()
    socket.io.engine.on('upgrade', state)
  })
  socket.on('disconnect', state)
  socket.on('answer', (text) => {
    document.querySelector('ol').append(Object.assign(document.createElement('li'), { textContent: text }))
  })
</script>
`

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/html' }).end(page)
})

new Server(server).on('connection', (socket) => {
  socket.on('say', (text) => {
    const sent = Buffer.isBuffer(text) ? `${text.length} bytes` : text
    socket.emit('answer', `${sent} by ${socket.conn.transport.name}`)
  })
})

server.listen(3000)
