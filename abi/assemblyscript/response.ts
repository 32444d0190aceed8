import { Code, EdgeError, Errno, Result, failure, meaning } from "./errors";
import * as host from "./host";
import { JsonWriter } from "./json";
import { log } from "./log";
import { Request } from "./request";
import { Header, Slice, argument, errnoOf, first, headerBlock, len, ptr, typeBlock } from "./wire";

// How each decision is told. Functions that are named here alone are part of a
// module only if something reaches them: a plugin that never sends a request to a
// sandbox imports neither connect nor proxy.
type Tell = (r: Response, req: u32) => i64;

const nothingToSay: ArrayBuffer = new ArrayBuffer(0);

/**
 * Response is what a handler returns: an answer of the plugin's own, an error, or
 * a decision that sends the request on. It does nothing by itself: the host is
 * told when the handler has returned.
 */
export class Response {
  status: i32 = 200;
  private type: string = "";
  private more: Header[] | null = null;
  /** body is an answer's bytes, or the options of what sends the request on; said is an answer's text. */
  body: ArrayBuffer = nothingToSay;
  said: string = "";
  binding: string = "";
  id: string = "";
  port: i32 = 0;
  private wrong: EdgeError | null = null;

  /** A Response is made by its static functions; a null tell says that the decision is made. */
  constructor(private call: string, private tell: Tell | null) {}

  /** text answers with plain text. */
  static text(status: i32, text: string): Response { return Response.written(status, "text/plain; charset=utf-8", text); }

  /** html answers with a page. */
  static html(status: i32, page: string): Response { return Response.written(status, "text/html; charset=utf-8", page); }

  /** json answers with JSON that a JsonWriter wrote. */
  static json(status: i32, json: JsonWriter): Response { return Response.raw(status, "application/json", json.bytes()); }

  /** bytes answers with any body; an empty type sends no Content-Type. */
  static bytes(status: i32, type: string, body: Uint8Array): Response {
    return Response.raw(status, type, body.buffer.slice(body.byteOffset, body.byteOffset + body.length));
  }

  /** failed answers with an error, by its status in the error table. */
  static failed(error: EdgeError): Response {
    const r = new Response("fail", null);
    r.wrong = error;
    return r;
  }

  /** next leaves the request to the next plugin of the route's chain. */
  static next(): Response { return new Response("next", (r: Response, req: u32): i64 => host.next(req)); }

  /** connect, proxy, plan and made are for the functions that make such decisions. */
  static connect(binding: string, id: string, port: i32, options: ArrayBuffer): Response {
    return new Response("wsConnect", (r: Response, req: u32): i64 => {
      const b = first(r.binding);
      const id = argument(r.id);
      const o = r.body;
      return host.connect(req, ptr(b), len(b), ptr(id), len(id), r.port, changetype<usize>(o), o.byteLength);
    }).target(binding, id, port, options);
  }
  static proxy(binding: string, id: string, port: i32, options: ArrayBuffer): Response {
    return new Response("proxyTo", (r: Response, req: u32): i64 => {
      const b = first(r.binding);
      const id = argument(r.id);
      const o = r.body;
      return host.proxy(req, ptr(b), len(b), ptr(id), len(id), r.port, changetype<usize>(o), o.byteLength);
    }).target(binding, id, port, options);
  }
  static plan(json: ArrayBuffer): Response {
    const r = new Response("plan", (r: Response, req: u32): i64 => host.plan(req, changetype<usize>(r.body), r.body.byteLength));
    r.body = json;
    return r;
  }
  static made(): Response { return new Response("", null); }

  /** headers are an answer's. Most have a Content-Type alone, which needs no list. */
  get headers(): Header[] {
    let headers = this.more;
    if (headers === null) {
      headers = [];
      if (this.type != "") headers.push(new Header("Content-Type", this.type));
      this.more = headers;
    }
    return headers;
  }
  set headers(headers: Header[]) { this.more = headers; }

  /** header adds a header to an answer and returns it. */
  header(name: string, value: string): Response {
    this.headers.push(new Header(name, value));
    return this;
  }

  /** error is why the request fails, or null. */
  get error(): EdgeError | null { return this.wrong; }

  /** send tells the host; the result is edge_request's. */
  send(request: Request): i32 {
    const e = this.wrong;
    if (e !== null) return sendError(request, e);
    const tell = this.tell;
    if (tell === null) return 0;
    const errno = errnoOf(tell(this, request.handle));
    if (errno != Errno.OK) return sendError(request, failure(request.handle, this.call, errno));
    request.decided = true;
    return 0;
  }

  private static written(status: i32, type: string, text: string): Response {
    const r = new Response("respond", (r: Response, req: u32): i64 => {
      const headers = r.block();
      const b = argument(r.said);
      return host.respond(req, r.status, ptr(headers), len(headers), ptr(b), len(b));
    });
    r.said = text;
    return r.typed(status, type);
  }

  private static raw(status: i32, type: string, body: ArrayBuffer): Response {
    const r = new Response("respond", (r: Response, req: u32): i64 => {
      const headers = r.block();
      return host.respond(req, r.status, ptr(headers), len(headers), changetype<usize>(r.body), r.body.byteLength);
    });
    r.body = body;
    return r.typed(status, type);
  }

  private typed(status: i32, type: string): Response {
    this.status = status;
    this.type = type;
    return this;
  }

  /** block is the headers as the host takes them, as the first argument. */
  private block(): Slice {
    const headers = this.more;
    return headers === null ? typeBlock(this.type) : headerBlock(headers);
  }

  private target(binding: string, id: string, port: i32, options: ArrayBuffer): Response {
    this.binding = binding;
    this.id = id;
    this.port = port;
    this.body = options;
    return this;
  }
}

/** next is Response.next. */
export function next(): Response { return Response.next(); }

/** fail answers with an error that the plugin makes; the client reads the message. */
export function fail(code: string, message: string): Response { return Response.failed(new EdgeError(code, message)); }

/** sendError has the host answer the client with an error. */
function sendError(request: Request, e: EdgeError): i32 {
  if (request.decided) {
    log.error("the handler failed after its decision was made", ["error", e.toString()]);
    return -Errno.ALREADY;
  }
  let errno = tellError(request, e);
  if (errno == Errno.INVALID || errno == Errno.TOO_LARGE) {
    // The plugin made an error that there is not, such as one of its own code.
    log.error("the error could not be answered", ["error", e.toString()]);
    errno = tellError(request, new EdgeError(Code.PLUGIN_FAILED, "the plugin failed; the edge's log has the details"));
  }
  return errno == Errno.OK || errno == Errno.CLOSED ? 0 : -errno; // CLOSED: the client has left
}

function tellError(request: Request, e: EdgeError): i32 {
  const json = e.json();
  const errno = errnoOf(host.fail(request.handle, changetype<usize>(json), json.byteLength));
  if (errno == Errno.OK) request.decided = true;
  return errno;
}

/** BodyWriter is the body of an answer in pieces, each sent at once. */
export class BodyWriter {
  constructor(private req: u32) {}

  /** write sends a text; it blocks while the client reads slowly, and is CANCELED when the client is gone. */
  write(text: string): Result<bool> {
    const b = first(text);
    return this.send(ptr(b), len(b));
  }

  /** writeBytes is write for bytes. */
  writeBytes(bytes: Uint8Array): Result<bool> { return this.send(bytes.dataStart, bytes.length); }

  /** end ends the body; the handler returns the Response. */
  end(): Response {
    const errno = errnoOf(host.respondEnd(this.req));
    if (errno != Errno.OK) log.debug("the answer could not be ended", ["errno", errno.toString()]);
    return Response.made();
  }

  /** cut breaks the connection off, so that nobody takes half an answer for a whole one. */
  cut(): Response { return Response.made(); }

  private send(at: usize, n: i32): Result<bool> {
    if (n == 0) return new Result<bool>(true, null);
    const errno = errnoOf(host.respondWrite(this.req, at, n));
    return errno == Errno.OK ? new Result<bool>(true, null) : new Result<bool>(false, meaning("write body", errno));
  }
}

/** stream begins an answer whose body is written in pieces. */
export function stream(request: Request, status: i32, headers: Header[] = []): Result<BodyWriter> {
  const block = headerBlock(headers);
  const errno = errnoOf(host.respondBegin(request.handle, status, ptr(block), len(block)));
  if (errno != Errno.OK) return new Result<BodyWriter>(new BodyWriter(0), failure(request.handle, "respond", errno));
  request.decided = true;
  return new Result<BodyWriter>(new BodyWriter(request.handle), null);
}
