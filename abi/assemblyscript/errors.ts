// Errors are values: AssemblyScript cannot catch what is thrown. A call that can
// fail returns a Result, and failed tells which it is.

import * as host from "./host";
import { Json, JsonWriter } from "./json";
import { Response } from "./response";
import { utf8 } from "./utf8";
import { answerAt, answerSize, place, placeSize, take } from "./wire";

/** Errno are the error numbers of abi/SPEC.md, section 2. */
export namespace Errno {
  export const OK: i32 = 0;
  export const INVALID: i32 = 1;
  export const NOT_FOUND: i32 = 2;
  export const DENIED: i32 = 3;
  export const TIMEOUT: i32 = 4;
  export const BUSY: i32 = 5;
  export const QUOTA: i32 = 6;
  export const UNAVAILABLE: i32 = 7;
  export const TOO_LARGE: i32 = 8;
  export const CLOSED: i32 = 9;
  export const ALREADY: i32 = 10;
  export const UNSUPPORTED: i32 = 11;
  export const INTERNAL: i32 = 12;
}

/** Code are the errors that plugins act upon or make; abi/REFERENCE.md lists all. */
export namespace Code {
  export const INVALID_REQUEST: string = "INVALID_REQUEST";
  export const INVALID_SANDBOX_ID: string = "INVALID_SANDBOX_ID";
  export const INVALID_PORT: string = "INVALID_PORT";
  export const UNKNOWN_BINDING: string = "UNKNOWN_BINDING";
  export const DENIED: string = "DENIED";
  export const NOT_FOUND: string = "NOT_FOUND";
  export const CONFLICT: string = "CONFLICT";
  export const TIMEOUT: string = "TIMEOUT";
  export const CANCELED: string = "CANCELED";
  export const UNSUPPORTED: string = "UNSUPPORTED";
  export const QUOTA_EXCEEDED: string = "QUOTA_EXCEEDED";
  export const TOO_MANY_REQUESTS: string = "TOO_MANY_REQUESTS";
  export const BODY_TOO_LARGE: string = "BODY_TOO_LARGE";
  export const FETCH_FAILED: string = "FETCH_FAILED";
  export const FILE_NOT_FOUND: string = "FILE_NOT_FOUND";
  export const PROCESS_ALREADY_EXISTS: string = "PROCESS_ALREADY_EXISTS";
  export const PROCESS_NOT_FOUND: string = "PROCESS_NOT_FOUND";
  export const PROCESS_EXITED_BEFORE_READY: string = "PROCESS_EXITED_BEFORE_READY";
  export const PROCESS_READY_TIMEOUT: string = "PROCESS_READY_TIMEOUT";
  export const PORT_ALREADY_EXPOSED: string = "PORT_ALREADY_EXPOSED";
  export const PORT_NOT_LISTENING: string = "PORT_NOT_LISTENING";
  export const RUNTIME_UNAVAILABLE: string = "RUNTIME_UNAVAILABLE";
  export const SANDBOX_LOST: string = "SANDBOX_LOST";
  export const UPGRADE_REQUIRED: string = "UPGRADE_REQUIRED";
  export const UPGRADE_FAILED: string = "UPGRADE_FAILED";
  export const BACKEND_FAILED: string = "BACKEND_FAILED";
  export const PLUGIN_FAILED: string = "PLUGIN_FAILED";
  export const INTERNAL: string = "INTERNAL";
}

/**
 * EdgeError says what failed. Its text says what was wrong with which value, and
 * is what the client reads when the error is the answer.
 */
export class EdgeError {
  operation: string = "";
  retryable: bool = false;
  retryAfterMs: i64 = 0;
  /** started is how far the operation had come: "no", "maybe" or "yes". */
  started: string = "no";
  /** details is JSON, or "". */
  details: string = "";
  suggestion: string = "";
  /** own is set for one that the plugin made: the host then decides retryable. */
  private own: bool = true;

  constructor(public code: string, public message: string) {}

  /** is compares the code. */
  is(code: string): bool { return this.code == code; }

  /** detail is one field of details, or null. */
  detail(name: string): Json | null {
    const details = Json.parse(this.details);
    return details !== null ? details.get(name) : null;
  }

  /** withSuggestion says what to do about it. */
  withSuggestion(text: string): EdgeError {
    this.suggestion = text;
    return this;
  }

  toString(): string { return this.code + ": " + this.message; }

  /** json is the error as the host takes it. */
  json(): ArrayBuffer {
    const w = new JsonWriter().object().text("code", this.code).text("message", this.message);
    if (this.operation != "") w.text("operation", this.operation);
    if (!this.own) w.bool("retryable", this.retryable);
    if (this.retryAfterMs != 0) w.integer("retryAfterMs", this.retryAfterMs);
    w.text("started", this.started);
    if (this.details != "") w.raw("details", this.details);
    if (this.suggestion != "") w.text("suggestion", this.suggestion);
    return w.end().bytes();
  }

  /** read makes an error of its JSON, or null. */
  static read(value: Json): EdgeError | null {
    const code = value.string("code");
    if (code == "") return null;
    const e = new EdgeError(code, value.string("message"));
    e.operation = value.string("operation");
    e.retryable = value.bool("retryable");
    e.retryAfterMs = value.integer("retryAfterMs");
    e.started = value.string("started", "no");
    e.suggestion = value.string("suggestion");
    const details = value.get("details");
    if (details !== null) e.details = details.toString();
    e.own = false;
    return e;
  }
}

/**
 * Result is what a call that can fail returns. Look at failed first: value of a
 * failed one throws, which ends the instance and answers PLUGIN_FAILED.
 */
export class Result<T> {
  constructor(private given: T, private wrong: EdgeError | null) {}

  get ok(): bool { return this.wrong === null; }
  get failed(): bool { return this.wrong !== null; }

  get value(): T {
    const e = this.wrong;
    if (e !== null) throw new Error("value of a failed call was used: " + e.toString());
    return this.given;
  }

  /** error is why the call failed. One that did not throws. */
  get error(): EdgeError {
    const e = this.wrong;
    if (e === null) throw new Error("error of a call that did not fail was used");
    return e;
  }

  /** is tells whether the call failed with that code. */
  is(code: string): bool {
    const e = this.wrong;
    return e !== null && e.code == code;
  }

  /** fail answers the client with the error. */
  fail(): Response { return Response.failed(this.error); }
}

const codes: StaticArray<string> = [
  Code.INTERNAL, Code.INVALID_REQUEST, Code.NOT_FOUND, Code.DENIED, Code.TIMEOUT, Code.TOO_MANY_REQUESTS, Code.QUOTA_EXCEEDED,
  Code.RUNTIME_UNAVAILABLE, Code.BODY_TOO_LARGE, Code.CANCELED, Code.INVALID_REQUEST, Code.UNSUPPORTED, Code.INTERNAL,
];

const texts: StaticArray<string> = [
  "internal error", "the host refused a value", "not found", "not allowed", "the time ran out", "the host is busy", "a limit is reached",
  "the sandbox cannot be reached", "too large", "closed: the request is over or the other side went away", "a decision was made already",
  "this edge does not have it", "internal error; the edge's log has the details",
];

/** meaning is the error that a number alone stands for. */
export function meaning(call: string, errno: i32): EdgeError {
  if (errno <= 0 || errno >= codes.length) errno = Errno.INTERNAL;
  const e = new EdgeError(codes[errno], call + ": " + texts[errno]);
  e.operation = call;
  return e;
}

/**
 * failure is why a call on a request failed: the host's own words if it has some. A
 * call on what is over says nothing, and then the last words are of something else.
 */
export function failure(req: u32, call: string, errno: i32): EdgeError {
  const said = lastError(req);
  if (said === null) return meaning(call, errno);
  if (errno == Errno.CLOSED && !said.is(Code.CANCELED) && !said.is(Code.SANDBOX_LOST)) return meaning(call, errno);
  return said;
}

/** lastError is what the host says of the request's last error, or null. */
export function lastError(req: u32): EdgeError | null {
  if (take(req, host.lastError(req, place(), placeSize())) != Errno.OK) return null;
  const value = Json.read(answerAt(), answerSize());
  return value === null ? null : EdgeError.read(value);
}

/** nothing is the Result of a call that answers nothing. */
export function nothing(req: u32, call: string, errno: i32): Result<bool> {
  return errno == Errno.OK ? new Result<bool>(true, null) : new Result<bool>(false, failure(req, call, errno));
}
