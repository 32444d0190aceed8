// Says something to the WebSocket server at the first argument with Bun's own
// client, and prints the answer. The second argument is where that name is to be
// found, since no DNS knows it; the third is who vouches for it over wss.
const [address, where, root] = process.argv.slice(2);
const url = new URL(address);
const ws = new WebSocket(`${url.protocol}//${where}${url.pathname}`, {
  headers: { Host: url.host },
  tls: url.protocol === "wss:" ? { ca: await Bun.file(root).text(), serverName: url.hostname } : undefined,
});
ws.onopen = () => ws.send("from Bun");
ws.onmessage = (event) => {
  console.log(event.data);
  ws.close(1000, "done");
};
ws.onclose = (event) => {
  console.log(event.code, event.reason);
  process.exit(event.code === 1000 ? 0 : 1);
};
