import { EdgeError, Errno, Result, failure, meaning } from "./errors";
import * as host from "./host";
import { decode } from "./utf8";
import { answerBytes, answerSize, drop, errnoOf, first, len, place, placeSize, ptr, take } from "./wire";

// Opcodes of a message (RFC 6455, section 11.8).
const TEXT = 1, BINARY = 2;

/** Message is one whole message. */
export class Message {
  constructor(
    /** binary tells a binary message from a text. */
    readonly binary: bool,
    readonly data: Uint8Array,
  ) {}

  get text(): string { return decode(this.data.dataStart, this.data.length); }
}

/**
 * WebSocket is a connection on which the plugin itself is the client. It ends with
 * the request; close says goodbye before that.
 */
export class WebSocket {
  /** closeCode and closeReason are how the peer closed; 0 is not yet. */
  closeCode: i32 = 0;
  closeReason: string = "";

  constructor(private req: u32, private ws: u32) {}

  /**
   * recv returns the next message. It waits for at most so many milliseconds (0 only
   * looks): TIMEOUT then, and nothing is lost. After the peer closed it is CANCELED,
   * and closeCode says how. A message of more than 1 MiB closes the socket.
   */
  recv(timeout: i32): Result<Message> {
    const errno = take(this.req, host.wsRecv(this.req, this.ws, max(0, timeout), place(), placeSize()));
    if (errno != Errno.OK) return new Result<Message>(new Message(false, new Uint8Array(0)), this.failure("wsRecv", errno));
    if (answerSize() == 0) return new Result<Message>(new Message(false, new Uint8Array(0)), meaning("wsRecv", Errno.INTERNAL));
    const all = answerBytes();
    drop();
    return new Result<Message>(new Message(all[0] == BINARY, all.subarray(1)), null);
  }

  /** send sends one text message; it blocks while the peer reads slowly. */
  send(text: string): Result<bool> {
    const b = first(text);
    return this.message(TEXT, ptr(b), len(b));
  }

  /** sendBinary sends one binary message. */
  sendBinary(bytes: Uint8Array): Result<bool> { return this.message(BINARY, bytes.dataStart, bytes.length); }

  /** sendPiece is sendBinary for a part of the bytes. */
  sendPiece(bytes: Uint8Array, from: i32, to: i32): Result<bool> { return this.message(BINARY, bytes.dataStart + from, to - from); }

  /**
   * close starts the closing handshake. code is 1000 or 3000 to 4999, reason at most
   * 123 bytes. Closing what is closed is no error.
   */
  close(code: i32 = 1000, reason: string = ""): Result<bool> {
    const r = first(reason);
    const errno = errnoOf(host.wsClose(this.req, this.ws, code, ptr(r), len(r)));
    if (errno == Errno.OK || errno == Errno.CLOSED) return new Result<bool>(true, null);
    return new Result<bool>(false, failure(this.req, "wsClose", errno));
  }

  private message(opcode: i32, at: usize, n: i32): Result<bool> {
    const errno = errnoOf(host.wsSend(this.req, this.ws, opcode, at, n));
    return errno == Errno.OK ? new Result<bool>(true, null) : new Result<bool>(false, this.failure("wsSend", errno));
  }

  private failure(call: string, errno: i32): EdgeError {
    const e = failure(this.req, call, errno);
    if (errno == Errno.CLOSED) {
      const code = e.detail("code");
      const reason = e.detail("reason");
      if (code !== null) this.closeCode = i32(code.asInteger());
      if (reason !== null) this.closeReason = reason.asString();
    }
    return e;
  }
}
