// What calls take besides their arguments: object literals, { cwd: "/app" }. A
// field that is left out says nothing. Durations are milliseconds; what each field
// means, with its default, stands in abi/REFERENCE.md under the same name.

import { JsonWriter } from "./json";
import { Header } from "./wire";

export class SandboxOptions {
  /** sleepAfter is a text like "10m". */
  sleepAfter: string = "";
  keepAlive: bool = false;
  env: Map<string, string> | null = null;
  labels: Map<string, string> | null = null;

  write(w: JsonWriter): void {
    w.textIf("sleepAfter", this.sleepAfter).boolIf("keepAlive", this.keepAlive).mapIf("env", this.env).mapIf("labels", this.labels);
  }
}

/** Policy is what the host enforces on the connection that a decision makes. */
export class Policy {
  wait: i64 = 0;
  idleTimeout: i64 = 0;
  maxDuration: i64 = 0;
  maxMessageBytes: i64 = 0;
  maxBytes: i64 = 0;
  messagesPerSecond: i64 = 0;
  pingInterval: i64 = 0;
  allowOrigins: string[] | null = null;
  protocols: string[] | null = null;
  /** wake is what wakes a sandbox that does not run: "never", "http", "ws" or "hold(10s)". */
  wake: string = "";

  write(w: JsonWriter): void {
    w.integerIf("wait", this.wait).integerIf("idleTimeout", this.idleTimeout).integerIf("maxDuration", this.maxDuration);
    w.integerIf("maxMessageBytes", this.maxMessageBytes).integerIf("maxBytes", this.maxBytes);
    w.integerIf("messagesPerSecond", this.messagesPerSecond).integerIf("pingInterval", this.pingInterval);
    w.textsIf("allowOrigins", this.allowOrigins).textsIf("protocols", this.protocols);
  }
}

export class StopOptions {
  signal: string = "";
  grace: i64 = 0;
}

export class ExecOptions {
  argv: string[] | null = null;
  cwd: string = "";
  env: Map<string, string> | null = null;
  stdin: string = "";
  timeout: i64 = 0;
  encoding: string = "";
  maxOutput: i64 = 0;
  user: string = "";
  session: string = "";

  write(w: JsonWriter): void {
    w.textsIf("argv", this.argv).textIf("cwd", this.cwd).mapIf("env", this.env).textIf("stdin", this.stdin).integerIf("timeout", this.timeout);
    w.textIf("encoding", this.encoding).integerIf("maxOutput", this.maxOutput).textIf("user", this.user).textIf("session", this.session);
  }
}

export class ExecStreamOptions {
  argv: string[] | null = null;
  cwd: string = "";
  env: Map<string, string> | null = null;
  stdin: string = "";
  /** input keeps the standard input open for what is written. */
  input: bool = false;
  timeout: i64 = 0;
  encoding: string = "";
  user: string = "";
  session: string = "";

  write(w: JsonWriter): void {
    w.textsIf("argv", this.argv).textIf("cwd", this.cwd).mapIf("env", this.env).textIf("stdin", this.stdin).boolIf("input", this.input);
    w.integerIf("timeout", this.timeout).textIf("encoding", this.encoding).textIf("user", this.user).textIf("session", this.session);
  }
}

export class StartProcessOptions {
  argv: string[] | null = null;
  processId: string = "";
  cwd: string = "";
  env: Map<string, string> | null = null;
  timeout: i64 = 0;
  /** ifRunning is "error" (the default), "reuse" or "restart". */
  ifRunning: string = "";
  user: string = "";
  session: string = "";

  write(w: JsonWriter): void {
    w.textsIf("argv", this.argv).textIf("processId", this.processId).textIf("cwd", this.cwd).mapIf("env", this.env);
    w.integerIf("timeout", this.timeout).textIf("ifRunning", this.ifRunning).textIf("user", this.user).textIf("session", this.session);
  }
}

export class KillOptions {
  signal: string = "";
  grace: i64 = 0;
}

export class LogsOptions {
  since: string = "";
  tail: i32 = 0;
}

export class StreamLogsOptions {
  since: string = "";
  tail: i32 = 0;
  follow: bool = false;
  encoding: string = "";
}

export class WaitForPortOptions {
  processId: string = "";
  /** mode is "tcp" or "http". */
  mode: string = "";
  path: string = "";
  /** status is the one wanted, or the first of statusMax; 0 is 200 to 399. */
  status: i32 = 0;
  statusMax: i32 = 0;
  timeout: i64 = 0;
  interval: i64 = 0;

  write(w: JsonWriter): void {
    w.textIf("processId", this.processId).textIf("mode", this.mode).textIf("path", this.path);
    if (this.statusMax != 0) {
      w.object("status").integer("min", this.status).integer("max", this.statusMax).end();
    } else {
      w.integerIf("status", this.status);
    }
    w.integerIf("timeout", this.timeout).integerIf("interval", this.interval);
  }
}

export class WaitForLogOptions {
  regexp: bool = false;
  timeout: i64 = 0;
}

export class WriteFileOptions {
  mode: string = "";
}

export class ReadFileStreamOptions {
  offset: i64 = 0;
  length: i64 = 0;
}

export class MkdirOptions {
  recursive: bool = false;
  mode: string = "";
}

export class DeleteFileOptions {
  recursive: bool = false;
}

export class ListFilesOptions {
  recursive: bool = false;
  includeHidden: bool = false;
  limit: i32 = 0;
}

export class SearchFilesOptions {
  path: string = "";
  glob: string = "";
  text: string = "";
  regexp: bool = false;
  ignoreCase: bool = false;
  includeHidden: bool = false;
  limit: i32 = 0;

  write(w: JsonWriter): void {
    w.textIf("path", this.path).textIf("glob", this.glob).textIf("text", this.text).boolIf("regexp", this.regexp);
    w.boolIf("ignoreCase", this.ignoreCase).boolIf("includeHidden", this.includeHidden).integerIf("limit", this.limit);
  }
}

export class WatchOptions {
  recursive: bool = false;
  include: string[] | null = null;
  exclude: string[] | null = null;
}

export class CheckoutOptions {
  branch: string = "";
  targetDir: string = "";
  depth: i32 = 0;
  timeout: i64 = 0;
}

export class SessionOptions {
  id: string = "";
  cwd: string = "";
  env: Map<string, string> | null = null;
}

export class TerminalOptions {
  id: string = "";
  shell: string = "";
  command: string = "";
  argv: string[] | null = null;
  cwd: string = "";
  env: Map<string, string> | null = null;
  user: string = "";
  cols: i32 = 0;
  rows: i32 = 0;
  session: string = "";
  /** since is the offset to replay from; -1 is everything that is kept. */
  since: i64 = -1;
  takeover: bool = false;

  write(w: JsonWriter): void {
    w.textIf("id", this.id).textIf("shell", this.shell).textIf("command", this.command).textsIf("argv", this.argv);
    w.textIf("cwd", this.cwd).mapIf("env", this.env).textIf("user", this.user).integerIf("cols", this.cols).integerIf("rows", this.rows);
    w.textIf("session", this.session);
    if (this.since >= 0) w.integer("since", this.since);
    w.boolIf("takeover", this.takeover);
  }
}

export class ExposeOptions {
  name: string = "";
  token: string = "";
  ttl: i64 = 0;
  /** access is "token" (the default), "public" or "plugin". */
  access: string = "";
  /** tokenIn is "host" (the default) or "request". */
  tokenIn: string = "";
  /** host is "local" (the default), "preview" or a literal with ${port}. */
  host: string = "";
  /** onRestart is "keep" (the default) or "revoke". */
  onRestart: string = "";
  /** ifExposed is "keep" (the default) or "error". */
  ifExposed: string = "";
  wake: string = "";
  policy: Policy | null = null;
  maxConnections: i32 = 0;

  write(w: JsonWriter): void {
    w.textIf("name", this.name).textIf("token", this.token).integerIf("ttl", this.ttl).textIf("access", this.access);
    w.textIf("ifExposed", this.ifExposed).textIf("wake", this.wake);
    w.textIf("tokenIn", this.tokenIn).textIf("host", this.host).textIf("onRestart", this.onRestart);
    const policy = this.policy;
    if (policy !== null) {
      w.object("policy");
      policy.write(w);
      w.end();
    }
    w.integerIf("maxConnections", this.maxConnections);
  }
}

export class PreviewLinkOptions {
  /** ttl is how long the link works, in milliseconds: an hour by default. */
  ttl: i64 = 0;
  /** path, with its query, is where the link leads. */
  path: string = "";
}

export class WebSocketOptions {
  path: string = "";
  protocols: string[] | null = null;
  headers: Header[] = [];
  wait: i64 = 0;
}

/** writeHeaders writes headers as JSON: [[name, value], ...]. */
export function writeHeaders(w: JsonWriter, headers: Header[]): void {
  if (headers.length == 0) return;
  w.array("headers");
  for (let i = 0; i < headers.length; i++) w.array().text("", headers[i].name).text("", headers[i].value).end();
  w.end();
}
