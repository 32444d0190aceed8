import { readAll, readPiece } from "./body";
import { Errno, Result, nothing } from "./errors";
import * as host from "./host";
import { decode, utf8 } from "./utf8";
import {
  Header, answerHasToken, answerHeaders, answerText, answerValue, answerValues, argument, drop, errnoOf, first, len, place, placeSize, ptr, take,
} from "./wire";

// Fields of a request (abi/SPEC.md, section 4).
const METHOD = 1, SCHEME = 2, HOST = 3, PATH = 4, QUERY = 5, REMOTE_ADDRESS = 6, ID = 7, URL = 8;

/**
 * Request is the request that the handler decides on. It reads through to the
 * host, and ends when the handler returns; what was got from it before stays good.
 */
export class Request {
  /** decided is set once the host has been told a decision. */
  decided: bool = false;

  constructor(
    /** handle is the host's. */
    readonly handle: u32,
  ) {}

  /** method is "GET". */
  get method(): string { return this.field(METHOD); }
  /** scheme is "http" or "https". */
  get scheme(): string { return this.field(SCHEME); }
  /** host is the Host header as sent, port included. */
  get host(): string { return this.field(HOST); }
  /** path is the path as sent, still percent-encoded. */
  get path(): string { return this.field(PATH); }
  /** rawQuery is what follows "?" as sent. */
  get rawQuery(): string { return this.field(QUERY); }
  /** remoteAddress is the client's "ip:port". */
  get remoteAddress(): string { return this.field(REMOTE_ADDRESS); }
  /** id is what names the request in the edge's log. */
  get id(): string { return this.field(ID); }
  /** url is the whole URL. */
  get url(): string { return this.field(URL); }

  /** query is the first value of a parameter, or the fallback if there is none. */
  query(name: string, fallback: string = ""): string {
    const all = this.queryAll(name);
    return all.length > 0 ? all[0] : fallback;
  }

  /** queryAll are a parameter's values. Pairs that cannot be decoded are left out. */
  queryAll(name: string): string[] {
    const values: string[] = [];
    const raw = this.rawQuery;
    if (raw == "") return values;
    const pairs = raw.split("&");
    for (let i = 0; i < pairs.length; i++) {
      const pair = pairs[i];
      if (pair == "" || pair.includes(";")) continue;
      const at = pair.indexOf("=");
      const key = unescape(at < 0 ? pair : pair.substring(0, at));
      if (key === null || key != name) continue;
      const value = at < 0 ? "" : unescape(pair.substring(at + 1));
      if (value !== null) values.push(value);
    }
    return values;
  }

  /** header is the first value of a header, or "". */
  header(name: string): string {
    const n = first(name);
    const errno = take(this.handle, host.reqHeader(this.handle, ptr(n), len(n), place(), placeSize()));
    return errno == Errno.OK ? answerValue() : "";
  }

  /** headerValues are the values of a header in the order sent. */
  headerValues(name: string): string[] {
    const n = first(name);
    const errno = take(this.handle, host.reqHeader(this.handle, ptr(n), len(n), place(), placeSize()));
    return errno == Errno.OK ? answerValues() : [];
  }

  /** headers are all headers in the order sent, Host included. */
  headers(): Header[] {
    const errno = take(this.handle, host.reqHeaders(this.handle, place(), placeSize()));
    const all: Header[] = errno == Errno.OK ? answerHeaders() : [];
    drop();
    return all;
  }

  /** isUpgrade tells whether the request asks for a WebSocket. */
  get isUpgrade(): bool { return this.hasToken("Upgrade", "websocket") && this.hasToken("Connection", "upgrade"); }

  /** setMethod changes the method that the backend will be sent. */
  setMethod(method: string): Result<bool> { return this.setField(METHOD, method); }
  /** setPath changes the path that the backend will be sent: percent-encoded, and beginning with "/". */
  setPath(path: string): Result<bool> { return this.setField(PATH, path); }
  /** setRawQuery changes the query that the backend will be sent, without "?". */
  setRawQuery(query: string): Result<bool> { return this.setField(QUERY, query); }

  /**
   * setHeader replaces every value of a header that the backend will be sent. Host
   * and the headers of the connection itself are DENIED.
   */
  setHeader(name: string, value: string): Result<bool> {
    const n = first(name);
    const v = argument(value);
    const result = host.reqHeaderSet(this.handle, ptr(n), len(n), ptr(v), len(v));
    return nothing(this.handle, "set header", errnoOf(result));
  }

  /** addHeader adds a value to a header; refused is what setHeader refuses. */
  addHeader(name: string, value: string): Result<bool> {
    const n = first(name);
    const v = argument(value);
    const result = host.reqHeaderAdd(this.handle, ptr(n), len(n), ptr(v), len(v));
    return nothing(this.handle, "add header", errnoOf(result));
  }

  /** deleteHeader removes every value of a header; refused is what setHeader refuses. */
  deleteHeader(name: string): Result<bool> {
    const n = first(name);
    return nothing(this.handle, "delete header", errnoOf(host.reqHeaderDel(this.handle, ptr(n), len(n))));
  }

  /**
   * readInto reads the next piece of the body and returns how many bytes it is; 0
   * is its end. What was read is not sent to a backend. It blocks.
   */
  readInto(buffer: Uint8Array): Result<i32> { return readPiece(readBody, this.handle, 0, "read body", buffer); }

  /** bytes reads the whole body; one of more than limit bytes is BODY_TOO_LARGE. */
  bytes(limit: i32): Result<Uint8Array> { return readAll(readBody, this.handle, 0, "read body", limit); }

  /** text is bytes as text. */
  text(limit: i32): Result<string> {
    const b = this.bytes(limit);
    if (b.failed) return new Result<string>("", b.error);
    return new Result<string>(decode(b.value.dataStart, b.value.length), null);
  }

  private field(field: i32): string {
    const errno = take(this.handle, host.reqGet(this.handle, field, place(), placeSize()));
    return errno == Errno.OK ? answerText() : "";
  }

  private setField(field: i32, value: string): Result<bool> {
    const v = first(value);
    return nothing(this.handle, "edit the request", errnoOf(host.reqSet(this.handle, field, ptr(v), len(v))));
  }

  /** hasToken tells whether a header, a list, holds a token. */
  private hasToken(name: string, token: string): bool {
    const n = first(name);
    const errno = take(this.handle, host.reqHeader(this.handle, ptr(n), len(n), place(), placeSize()));
    return errno == Errno.OK && answerHasToken(token);
  }
}

function readBody(req: u32, _: u32, at: usize, cap: i32): i64 { return host.reqBodyRead(req, at, cap); }

/** unescape decodes one name or value of a query, or returns null. */
function unescape(s: string): string | null {
  if (!s.includes("%") && !s.includes("+")) return s;
  const from = utf8(s);
  const n = from.byteLength;
  const to = new Uint8Array(n);
  let size = 0;
  for (let i = 0; i < n; i++) {
    const c = i32(load<u8>(changetype<usize>(from) + i));
    if (c == 0x2b) {
      to[size++] = 0x20;
    } else if (c != 0x25) {
      to[size++] = u8(c);
    } else {
      if (i + 2 >= n) return null;
      const high = hexValue(load<u8>(changetype<usize>(from) + i + 1));
      const low = hexValue(load<u8>(changetype<usize>(from) + i + 2));
      if (high < 0 || low < 0) return null;
      to[size++] = u8((high << 4) | low);
      i += 2;
    }
  }
  return decode(to.dataStart, size);
}

function hexValue(c: i32): i32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
