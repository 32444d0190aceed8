import { ExecResult, ExitStatus, LogMatch, Logs } from "./answers";
import { Result } from "./errors";
import { Json } from "./json";
import { ExecOptions, ExecStreamOptions, KillOptions, LogsOptions, StartProcessOptions, WaitForLogOptions, WaitForPortOptions } from "./options";
import { Sandbox } from "./sandbox";
import { EventStream } from "./stream";

/**
 * Process is a handle of a process that startProcess started, with its state as of
 * the call that returned it. It ends with the request, the process does not.
 */
export class Process {
  constructor(private sandbox: Sandbox, public raw: Json) {}

  get id(): string { return this.raw.string("id"); }
  get pid(): i32 { return i32(this.raw.integer("pid")); }
  get command(): string { return this.raw.string("command"); }
  /** status is "starting", "running", "completed", "failed", "killed" or "error". */
  get status(): string { return this.raw.string("status"); }
  get exitCode(): i32 { return i32(this.raw.integer("exitCode")); }
  get signal(): string { return this.raw.string("signal"); }
  get startedAt(): string { return this.raw.string("startedAt"); }
  get endedAt(): string { return this.raw.string("endedAt"); }

  /** waitForPort is Sandbox.waitForPort that ends early when this process does. */
  waitForPort(port: i32, options: WaitForPortOptions = {}): Result<bool> {
    options.processId = this.id;
    return this.sandbox.waitForPort(port, options);
  }
  waitForLog(pattern: string, options: WaitForLogOptions = {}): Result<LogMatch> { return this.sandbox.waitForLog(this.id, pattern, options); }
  waitForExit(timeout: i64 = 0): Result<ExitStatus> { return this.sandbox.waitForExit(this.id, timeout); }
  getLogs(options: LogsOptions = {}): Result<Logs> { return this.sandbox.getLogs(this.id, options); }

  /** getStatus asks for the status as it is now. */
  getStatus(): Result<string> {
    const now = this.sandbox.getProcess(this.id);
    return now.failed ? new Result<string>("", now.error) : new Result<string>(now.value.status, null);
  }

  /** kill is Sandbox.killProcess; the handle's state becomes the last one. */
  kill(options: KillOptions = {}): Result<bool> {
    const end = this.sandbox.killProcess(this.id, options);
    if (end.failed) return new Result<bool>(false, end.error);
    this.raw = end.value.raw;
    return new Result<bool>(true, null);
  }
}

/**
 * Session is a handle of a working directory and variables that calls share. It
 * ends with the request; the session lives until it is deleted or the sandbox stops.
 */
export class Session {
  constructor(private sandbox: Sandbox, readonly raw: Json) {}

  get id(): string { return this.raw.string("id"); }
  get cwd(): string { return this.raw.string("cwd"); }

  exec(command: string, options: ExecOptions = {}): Result<ExecResult> {
    options.session = this.id;
    return this.sandbox.exec(command, options);
  }
  execStream(command: string, options: ExecStreamOptions = {}): Result<EventStream> {
    options.session = this.id;
    return this.sandbox.execStream(command, options);
  }
  startProcess(command: string, options: StartProcessOptions = {}): Result<Process> {
    options.session = this.id;
    return this.sandbox.startProcess(command, options);
  }
  delete(): Result<bool> { return this.sandbox.deleteSession(this.id); }
}
