import { Code, Result } from "./errors";
import { Sandbox } from "./sandbox";

/**
 * Server is a program in a sandbox that listens on a port, under a process id by
 * which every request finds the same one.
 */
export class Server {
  processId: string = "";
  port: i32 = 0;
  /** path is where source is written before command starts the program; an empty one writes nothing. */
  path: string = "";
  source: string = "";
  /** command is run by /bin/sh -c. */
  command: string = "";
  /** timeout bounds the wait until the port answers, in milliseconds; default 30 s. */
  timeout: i64 = 0;

  /**
   * ensure is Sandbox.ensureServer. It waits for the port first, because with a
   * process id that answers three questions in one call: is the process there, does
   * it run, does it listen. So a server that is up costs one operation, one that
   * another request is starting is waited for, and only one that is missing, has
   * ended, or was lost with its sandbox, is written and started.
   */
  ensure(sandbox: Sandbox): Result<bool> {
    const ready = sandbox.waitForPort(this.port, { processId: this.processId, timeout: this.timeout });
    if (!ready.is(Code.PROCESS_NOT_FOUND) && !ready.is(Code.PROCESS_EXITED_BEFORE_READY) && !ready.is(Code.SANDBOX_LOST)) return ready;
    if (this.path != "") {
      const written = sandbox.writeFile(this.path, this.source);
      if (written.failed) return written;
    }
    const started = sandbox.startProcess(this.command, { processId: this.processId });
    // "already exists": another request was faster.
    if (started.failed && !started.is(Code.PROCESS_ALREADY_EXISTS)) return new Result<bool>(false, started.error);
    return sandbox.waitForPort(this.port, { processId: this.processId, timeout: this.timeout });
  }
}
