// Sends texts and binary messages of many sizes, wants each back, and wants the
// close handshake to end with the code it asked for.
const ws = new WebSocket(process.argv[2]);
ws.binaryType = "arraybuffer";

const inbox: (string | ArrayBuffer)[] = [];
let wake: (() => void) | undefined;
ws.onmessage = (event) => { inbox.push(event.data); wake?.(); };
ws.onerror = () => fail("error event");
const closed = new Promise<CloseEvent>((resolve) => { ws.onclose = resolve; });
await new Promise<void>((resolve) => { ws.onopen = () => resolve(); });

async function receive(): Promise<string | ArrayBuffer> {
  while (inbox.length === 0) await new Promise<void>((resolve) => { wake = resolve; });
  return inbox.shift()!;
}

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}

let messages = 0;
for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]) {
  const text = "x".repeat(size);
  ws.send(text);
  if (await receive() !== text) fail(`text of ${size} bytes came back changed`);
  const bytes = new Uint8Array(size).map((_, i) => i * 31);
  ws.send(bytes);
  const back = await receive();
  if (typeof back === "string" || Buffer.compare(Buffer.from(back), Buffer.from(bytes)) !== 0) fail(`${size} bytes came back changed`);
  messages += 2;
}
ws.close(4001, "done");
const event = await closed;
if (!event.wasClean || event.code !== 4001) fail(`closed with ${event.code}, clean ${event.wasClean}`);
console.log(`bun: ${messages} messages echoed, closed with ${event.code}`);
process.exit(0);
