import { readAll, readPiece } from "./body";
import { Code, EdgeError, Errno, Result, failure } from "./errors";
import * as host from "./host";
import { current } from "./instance";
import { Json, JsonWriter } from "./json";
import { writeHeaders } from "./options";
import { decode } from "./utf8";
import { Header, answerAt, answerHeaders, answerSize, drop, errnoOf, first, len, place, placeSize, ptr, take } from "./wire";

export class FetchOptions {
  method: string = "";
  headers: Header[] = [];
  body: string = "";
  /** bytes is a body that is no text. */
  bytes: Uint8Array | null = null;
  /** requestBody sends the client's own body on, as it comes. */
  requestBody: bool = false;
  /** timeout in milliseconds; default 30 s, and never beyond the request's deadline. */
  timeout: i64 = 0;
  /** redirect is "follow" (the default, at most 10), "manual" or "error". */
  redirect: string = "";
}

/** FetchResponse is an answer whose body is still to be read. It ends with the request. */
export class FetchResponse {
  status: i32 = 0;
  /** url is the last one, after redirects. */
  url: string = "";
  headers: Header[] = [];

  constructor(private req: u32, private handle: u32) {}

  /** header is the first value of a header, or "". */
  header(name: string): string {
    const wanted = name.toLowerCase();
    for (let i = 0; i < this.headers.length; i++) {
      if (this.headers[i].name.toLowerCase() == wanted) return this.headers[i].value;
    }
    return "";
  }

  /** readInto reads the next piece of the body and returns how many bytes it is; 0 is its end. */
  readInto(buffer: Uint8Array): Result<i32> { return readPiece(readFetched, this.req, this.handle, "fetch", buffer); }

  /** bytes reads the whole body; one of more than limit bytes is BODY_TOO_LARGE. */
  bytes(limit: i32 = 1 << 20): Result<Uint8Array> { return readAll(readFetched, this.req, this.handle, "fetch", limit); }

  /** text is bytes as text. */
  text(limit: i32 = 1 << 20): Result<string> {
    const b = this.bytes(limit);
    if (b.failed) return new Result<string>("", b.error);
    return new Result<string>(decode(b.value.dataStart, b.value.length), null);
  }

  /** json reads the body as JSON. */
  json(limit: i32 = 1 << 20): Result<Json> {
    const b = this.bytes(limit);
    if (b.failed) return new Result<Json>(Json.empty(), b.error);
    const value = Json.read(b.value.dataStart, b.value.length);
    if (value !== null) return new Result<Json>(value, null);
    return new Result<Json>(Json.empty(), new EdgeError(Code.BACKEND_FAILED, "the answer of " + this.url + " is no JSON"));
  }

  /** close ends it before its end. */
  close(): void { host.fetchClose(this.req, this.handle); }

  /** readHead reads status, url and headers. */
  readHead(): i32 {
    const errno = take(this.req, host.fetchHead(this.req, this.handle, place(), placeSize()));
    if (errno != Errno.OK) return errno;
    if (answerSize() < 8) return Errno.INTERNAL;
    const at = answerAt();
    const n = load<i32>(at + 4);
    if (n < 0 || n > answerSize() - 8) return Errno.INTERNAL;
    this.status = load<i32>(at);
    this.url = decode(at + 8, n);
    this.headers = answerHeaders(8 + n);
    drop();
    return Errno.OK;
  }
}

/**
 * fetch asks a server outside, one that the plugin's grants name, or a preview of
 * this edge. It returns when the answer's head is there. An answer of any status is
 * no error; DENIED and FETCH_FAILED are.
 */
export function fetch(url: string, options: FetchOptions = {}): Result<FetchResponse> {
  const req = current();
  const w = new JsonWriter().object().textIf("method", options.method).text("url", url);
  writeHeaders(w, options.headers);
  w.integerIf("timeout", options.timeout).textIf("redirect", options.redirect);
  if (options.requestBody) w.text("body", "request");
  const json = w.end().bytes();
  const text = first(options.body);
  const bytes = options.bytes;
  const result = host.fetch(req, changetype<usize>(json), json.byteLength,
    bytes === null ? ptr(text) : bytes.dataStart, bytes === null ? len(text) : bytes.length);
  let errno = errnoOf(result);
  const answer = new FetchResponse(req, u32(result));
  if (errno == Errno.OK) errno = answer.readHead();
  return new Result<FetchResponse>(answer, errno == Errno.OK ? null : failure(req, "fetch", errno));
}

function readFetched(req: u32, handle: u32, at: usize, cap: i32): i64 { return host.fetchRead(req, handle, at, cap); }
