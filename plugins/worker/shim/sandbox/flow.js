// Streams of the edge: WebSockets to ports and operations that go on. A Flow is what
// is read from one; see op_open, ws_recv and ws_close in abi/SPEC.md.
import { edge, start } from "../core/index.js";

const FOREVER = -1; // milliseconds, as an unsigned number
const TEXT = 1, BINARY = 2;
const END = '{"type":"end"}';

// Most of one binary message to an operation, in bytes (abi/stream.go).
const PIECE = 64 << 10;

// ended tells whether an error is the good end of a stream: a close with 1000, or with
// any code where a server closed it.
const ended = (e, socket) => socket ? e?.details?.code !== undefined : e?.details?.code === 1000;

export class Flow {
  #req; #ws; #socket; #over = false;
  // A socket to a port ends well however its peer closes it.
  constructor(req, ws, socket = false) { this.#req = req; this.#ws = ws; this.#socket = socket; }

  // next is the next message: a string or an Uint8Array; null at the stream's end.
  // With a timeout, in milliseconds, it may fail with TIMEOUT; no message is lost.
  next(timeout = FOREVER) {
    if (this.#over) return Promise.resolve(null);
    return start(this.#req, edge.ws_recv_start(this.#req, this.#ws, timeout), "message").then(undefined, (e) => {
      if (e?.code === "TIMEOUT" && e.details?.code === undefined) {
        if (timeout !== FOREVER) throw e;
        if (this.#req === 0) return this.next(); // the instance's calls end with its deadline; no message is lost
      }
      const stopped = this.#over;
      this.#over = true;
      if (stopped || ended(e, this.#socket)) return null;
      throw e;
    });
  }

  // event is the next message as JSON; null at the end.
  event() { return this.next().then((m) => m === null ? null : JSON.parse(m)); }

  // message sends one message, a string or bytes.
  message(data) { return this.#send(typeof data === "string" ? TEXT : BINARY, data); }

  // send sends a string, or bytes in pieces as small as operations take.
  send(data) {
    if (typeof data === "string") return this.#send(TEXT, data);
    if (data.length <= PIECE) return this.#send(BINARY, data);
    const from = (at) => this.#send(BINARY, data.subarray(at, at + PIECE)).then(() => at + PIECE < data.length ? from(at + PIECE) : undefined);
    return from(0);
  }
  #send(opcode, data) { return start(this.#req, edge.ws_send_start(this.#req, this.#ws, opcode, data), "none"); }

  // end says that no bytes follow.
  end() { return this.send(END); }

  // close ends the stream and what it began.
  close(code = 1000, reason = "") {
    if (this.#over) return;
    this.#over = true;
    edge.ws_close(this.#req, this.#ws, code, reason); // the edge waits for the peer, not we
  }
}
