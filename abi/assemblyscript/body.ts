// Bodies that come in pieces: a request's and those of fetch.

import { Code, EdgeError, Errno, Result, failure } from "./errors";
import { errnoOf } from "./wire";

/** Read reads the next piece of a body as host functions do: 0 bytes are its end. */
export type Read = (req: u32, handle: u32, at: usize, cap: i32) => i64;

/** readPiece reads into a buffer and returns how many bytes came. */
export function readPiece(read: Read, req: u32, handle: u32, call: string, buffer: Uint8Array): Result<i32> {
  const result = read(req, handle, buffer.dataStart, buffer.length);
  const errno = errnoOf(result);
  return errno == Errno.OK ? new Result<i32>(i32(result), null) : new Result<i32>(0, failure(req, call, errno));
}

/** readAll reads a whole body; one of more than limit bytes is BODY_TOO_LARGE. */
export function readAll(read: Read, req: u32, handle: u32, call: string, limit: i32): Result<Uint8Array> {
  let whole = new Uint8Array(min(limit, 4095) + 1);
  let size = 0;
  while (size <= limit) {
    if (size == whole.length) {
      const larger = new Uint8Array(min(limit, 2 * size - 1) + 1);
      memory.copy(larger.dataStart, whole.dataStart, size);
      whole = larger;
    }
    const result = read(req, handle, whole.dataStart + size, whole.length - size);
    const errno = errnoOf(result);
    if (errno != Errno.OK) return new Result<Uint8Array>(whole, failure(req, call, errno));
    if (i32(result) == 0) return new Result<Uint8Array>(whole.subarray(0, size), null);
    size += i32(result);
  }
  const text = call + ": the body is longer than " + limit.toString() + " bytes";
  return new Result<Uint8Array>(whole, new EdgeError(Code.BODY_TOO_LARGE, text));
}
