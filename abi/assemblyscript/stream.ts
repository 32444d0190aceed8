import { Code, EdgeError, Result } from "./errors";
import { Json, JsonWriter } from "./json";
import { WebSocket } from "./websocket";

/** CLOSED_WELL is the close code of a stream that came to its end (RFC 6455, section 7.4.1). */
const CLOSED_WELL: i32 = 1000;

/** MAX_BINARY is how much one message of bytes may hold. */
const MAX_BINARY: i32 = 64 << 10;

/** StreamItem is an event, or bytes, or the end of a stream. */
export class StreamItem {
  constructor(readonly event: Json | null, readonly data: Uint8Array | null) {}

  /** ended tells whether the stream came to its end. */
  get ended(): bool { return this.event === null && this.data === null; }
}

/**
 * EventStream is an operation that goes on: events, and for some bytes. It ends with
 * the request; close ends it before that, and with it what it began (the command of
 * execStream, the terminal without an id).
 */
export class EventStream {
  constructor(private socket: WebSocket) {}

  /**
   * next returns what comes next: an event, or bytes of a terminal or file, or the
   * end; a stream that failed ends with its error. It waits for at most so many
   * milliseconds, by default as long as the request may take; TIMEOUT then, and
   * nothing is lost.
   */
  next(timeout: i32 = i32.MAX_VALUE): Result<StreamItem> {
    const m = this.socket.recv(timeout);
    if (m.failed) {
      const well = m.is(Code.CANCELED) && this.socket.closeCode == CLOSED_WELL;
      return new Result<StreamItem>(new StreamItem(null, null), well ? null : m.error);
    }
    if (m.value.binary) return new Result<StreamItem>(new StreamItem(null, m.value.data), null);
    const event = Json.read(m.value.data.dataStart, m.value.data.length);
    if (event !== null) return new Result<StreamItem>(new StreamItem(event, null), null);
    const e = new EdgeError(Code.INTERNAL, "an event of the stream cannot be read");
    e.started = "yes";
    return new Result<StreamItem>(new StreamItem(null, null), e);
  }

  /** write sends bytes: standard input, what is typed, a file's content. It blocks while the sandbox reads slowly. */
  write(bytes: Uint8Array): Result<bool> {
    for (let at = 0; at < bytes.length; at += MAX_BINARY) {
      const sent = this.socket.sendPiece(bytes, at, min(bytes.length, at + MAX_BINARY));
      if (sent.failed) return sent;
    }
    return new Result<bool>(true, null);
  }

  /** writeText is write for a text. */
  writeText(text: string): Result<bool> { return this.write(Uint8Array.wrap(String.UTF8.encode(text))); }

  /** resize says how large a terminal's window is now. */
  resize(cols: i32, rows: i32): Result<bool> {
    return this.socket.send(new JsonWriter().object().text("type", "resize").integer("cols", cols).integer("rows", rows).end().toString());
  }

  /** signal sends a signal, "INT". */
  signal(name: string): Result<bool> {
    return this.socket.send(new JsonWriter().object().text("type", "signal").text("signal", name).end().toString());
  }

  /** closeInput says that no more bytes will be written. */
  closeInput(): Result<bool> { return this.socket.send('{"type":"end"}'); }

  /** close ends the stream. Closing what has ended is no error. */
  close(): Result<bool> { return this.socket.close(CLOSED_WELL); }
}
