// Server-sent events, each after the page has said that it saw the one before:
// one that is held back anywhere holds up all that follow. The connection ends
// after the third, and the browser comes back for the rest.
const http = require('node:http')

const page = `<!doctype html>
<link rel="icon" href="data:,">
<title>Server-sent events</title>
<style>body { font: 24px sans-serif; margin: 3em; }</style>
<ol></ol>
<script>
  const events = new EventSource('/events')
  events.addEventListener('step', (event) => {
    document.querySelector('ol').append(Object.assign(document.createElement('li'), { textContent: event.data }))
    fetch('/saw?' + event.lastEventId, { method: 'POST' })
  })
</script>
`

let seen = 0
let tell = () => {}

function stream(request, response) {
  const from = Number(request.headers['last-event-id'] ?? 0)
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
  response.write('retry: 10\n\n')
  let sent = from
  tell = () => {
    if (seen < sent || sent === 6) return
    if (sent === 3 && from === 0) {
      response.end()
      return
    }
    sent++
    response.write(`event: step\nid: ${sent}\ndata: event ${sent}, asked for after ${from}\n\n`)
  }
  tell()
}

http
  .createServer((request, response) => {
    if (request.url === '/events') {
      stream(request, response)
    } else if (request.method === 'POST') {
      seen = Number(request.url.split('?')[1])
      response.writeHead(204).end()
      tell()
    } else {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(page)
    }
  })
  .listen(3000)
