// Requests and answers in JSON. Every answer carries the request's id, if it had
// one, because answers may come in another order.
//   {type: "ping", id?}           -> {type: "pong", id, time}
//   {type: "exec", id?, command}  -> {type: "result", id, success, stdout, stderr, exitCode, timedOut, truncated}
//   {type: "info", id?}           -> {type: "info", id, platform, arch, bun, hostname, cpus, memory, uptime, pid}
//   anything else                 -> {type: "error", id?, error}
import { arch, cpus, freemem, hostname, platform, totalmem, uptime } from "node:os";

const EXEC_TIMEOUT = 10_000; // milliseconds
const MAX_COMMAND = 4096; // characters
const MAX_OUTPUT = 256 * 1024; // bytes kept of each stream
const MAX_RUNNING = 4; // commands at a time on one connection

type Request = { type: string; id?: unknown; command?: unknown };

/**
 * Keeps the beginning of a stream, reading on to its end or until stop: a command that prints without end must not
 * fill the memory, and one that leaves a child behind must not hold up its answer.
 */
async function head(stream: ReadableStream<Uint8Array>, stop: Promise<unknown>): Promise<{ text: string; truncated: boolean }> {
  const reader = stream.getReader();
  const stopped = stop.then(() => ({ done: true as const, value: undefined }));
  const pieces: Uint8Array[] = [];
  let size = 0;
  let truncated = false;
  for (;;) {
    const { done, value } = await Promise.race([reader.read(), stopped]);
    if (done) break;
    const room = MAX_OUTPUT - size;
    if (value.length > room) truncated = true;
    if (room > 0) pieces.push(value.subarray(0, room));
    size += Math.min(value.length, room);
  }
  reader.cancel();
  return { text: Buffer.concat(pieces).toString(), truncated };
}

/** Runs a command: to run anything is what the sandbox is for, to run without end or limit is not. */
async function exec(command: unknown) {
  if (typeof command !== "string" || command.length === 0 || command.length > MAX_COMMAND) {
    return { type: "error", error: `command: want a text of 1 to ${MAX_COMMAND} characters` };
  }
  // A process group of its own, so that the time-out reaches what the command started too.
  const child = Bun.spawn(["/bin/sh", "-c", command], { stdin: "ignore", stdout: "pipe", stderr: "pipe", detached: true });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // it has ended meanwhile
    }
  }, EXEC_TIMEOUT);
  const stop = child.exited.then(() => Bun.sleep(50)); // for what is still in the pipes
  const [stdout, stderr, exitCode] = await Promise.all([head(child.stdout, stop), head(child.stderr, stop), child.exited]);
  clearTimeout(timer);
  return {
    type: "result", success: exitCode === 0, stdout: stdout.text, stderr: stderr.text, exitCode,
    timedOut, truncated: stdout.truncated || stderr.truncated,
  };
}

function info() {
  return {
    type: "info", platform: platform(), arch: arch(), bun: Bun.version, hostname: hostname(), cpus: cpus().length,
    memory: { total: totalmem(), free: freemem() }, uptime: uptime(), pid: process.pid,
  };
}

/** Returns the request, or what is wrong with it. */
function parse(message: string | Buffer): Request | string {
  let data: unknown;
  try {
    data = JSON.parse(message.toString());
  } catch {
    return "Invalid JSON";
  }
  if (typeof data !== "object" || data === null || typeof (data as Request).type !== "string") return "Invalid message format";
  return data as Request;
}

Bun.serve<{ running: number }>({
  port: 8082,
  hostname: "0.0.0.0",
  fetch(req, server) {
    if (server.upgrade(req, { data: { running: 0 } })) return;
    return new Response("Expected a WebSocket", { status: 426, headers: { Upgrade: "websocket" } });
  },
  websocket: {
    idleTimeout: 0, // how long a client may be silent is the edge's policy
    maxPayloadLength: 64 * 1024,
    async message(ws, message) {
      const req = parse(message);
      if (typeof req === "string") {
        ws.send(JSON.stringify({ type: "error", error: req }));
        return;
      }
      const answer = (body: object) => ws.send(JSON.stringify({ id: req.id, ...body }));
      switch (req.type) {
        case "ping":
          answer({ type: "pong", time: Date.now() });
          return;
        case "info":
          answer(info());
          return;
        case "exec":
          if (ws.data.running >= MAX_RUNNING) {
            answer({ type: "error", error: `${MAX_RUNNING} commands are running on this connection already` });
            return;
          }
          ws.data.running++;
          try {
            answer(await exec(req.command));
          } catch (error) {
            answer({ type: "error", error: `the command could not be started: ${error}` });
          } finally {
            ws.data.running--;
          }
          return;
        default:
          answer({ type: "error", error: `Unknown type: ${req.type.slice(0, 40)}` });
      }
    },
  },
});

console.log("JSON server listening on port 8082");
