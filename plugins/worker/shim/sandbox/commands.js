// Commands and processes of a sandbox, or of one of its sessions.
import { Handle, call, flow } from "./handle.js";
import { processOf, processCalls } from "./process.js";
import { command, commandText, stamped } from "./options.js";
import { events } from "./sse.js";

// Written for the edge's exit are exit, and the vendor's complete.
const words = (line) => (e) => {
  if (e.type === "start") return [{ ...e, command: line }];
  if (e.type !== "exit") return [e];
  const { exitCode, signal, duration } = e;
  return [e, { type: "complete", exitCode, signal, duration, command: line }];
};

// collect runs a command whose output is told of while it runs.
const collect = (source, line, options) => {
  const out = { stdout: "", stderr: "" };
  const { signal } = options;
  const stop = () => source.close();
  signal?.addEventListener("abort", stop);
  const next = () => source.event().then((e) => {
    if (signal?.aborted) throw signal.reason;
    if (e === null) return { success: false, exitCode: -1, ...out };
    if (e.type === "exit") return { success: e.exitCode === 0, exitCode: e.exitCode, signal: e.signal, ...out, truncated: false, duration: e.duration };
    if (e.type !== "start") {
      out[e.type] += e.data;
      options.onOutput?.(e.type, e.data);
    }
    return next();
  });
  const done = () => { signal?.removeEventListener("abort", stop); source.close(); };
  return next().then((r) => { done(); return { ...r, command: line, timestamp: new Date().toISOString() }; }, (e) => { done(); throw e; });
};

// told passes what came of a command to the caller's functions.
const told = (promise, { onComplete, onError }) => onComplete || onError
  ? promise.then((r) => { onComplete?.(r); return r; }, (e) => { onError?.(e); throw e; }) : promise;

// watch tells a process's output and end to the caller's functions, as long as the
// request lives.
const watch = (h, process, { onOutput, onExit, onError }) => {
  flow(h, "streamLogs", { processId: process.id, follow: true }).then((source) => {
    const next = () => source.event().then((e) => {
      if (e === null) return;
      if (e.type === "exit") onExit?.(e.exitCode ?? null);
      else if (e.type !== "dropped") onOutput?.(e.type, e.data);
      return next();
    });
    return next();
  }).catch((e) => { if (e.code !== "CANCELED") onError?.(e); });
};

export class Commands extends Handle {
  // command is the fields of a command, or their JSON; a session adds its own.
  command(line, options) { return commandText(line, options) ?? command(line, options); }

  exec(line, options) {
    const fields = this.command(line, options);
    if (options !== undefined && (options.stream || options.onOutput || options.signal)) {
      if (options.signal?.aborted) return Promise.reject(options.signal.reason);
      if (typeof fields === "object") delete fields.maxOutput; // all of it is told
      return told(flow(this, "execStream", fields).then((source) => collect(source, line, options)), options);
    }
    const p = call(this, "exec", fields, (r) => { r.command = line; r.timestamp = new Date().toISOString(); return r; });
    return options === undefined ? p : told(p, options);
  }

  execStream(line, options) { return events(flow(this, "execStream", this.command(line, options)), words(line), options?.signal); }

  startProcess(line, options, sessionId) {
    const h = this, fields = sessionId === undefined ? h.command(line, options) : command(line, { ...options, session: sessionId });
    const p = call(h, "startProcess", fields, (state) => processOf(h, state));
    if (options === undefined || !(options.onOutput || options.onExit || options.onStart || options.onError)) return p;
    return p.then((process) => {
      options.onStart?.(process);
      if (options.onOutput || options.onExit) watch(h, process, options);
      return process;
    }, (e) => { options.onError?.(e); throw e; });
  }

  listProcesses(sessionId) {
    return call(this, "listProcesses", {}, ({ processes }) => {
      const list = processes.map((state) => processOf(this, state));
      const chosen = sessionId === undefined ? list : list.filter((p) => p.session === sessionId);
      return Object.defineProperty(chosen, "processes", { value: chosen }); // the vendor's old form
    });
  }

  getProcess(processId) {
    return call(this, "getProcess", { processId }, (state) => processOf(this, state)).then(undefined, (e) => {
      if (e.code === "PROCESS_NOT_FOUND") return null;
      throw e;
    });
  }

  killProcess(processId, signal, options) { return processCalls.kill(this, processId, signal, typeof options === "object" ? options : undefined); }

  killAllProcesses(options) { return call(this, "killAllProcesses", typeof options === "object" ? options : {}, (r) => r.count); }

  // The edge forgets ended processes by itself, the oldest first: none is left to be cleaned up.
  cleanupCompletedProcesses() { return Promise.resolve(0); }

  getLogs(processId, options) { return processCalls.logs(this, processId, options); }
  getProcessLogs(processId, options) { return processCalls.logs(this, processId, typeof options === "object" ? options : undefined); }
  streamLogs(processId, options) { return processCalls.stream(this, processId, options); }
  streamProcessLogs(processId, options) { return processCalls.stream(this, processId, options); }
  waitForPort(port, options) { return processCalls.port(this, port, undefined, options); }
  waitForLog(processId, pattern, options) { return processCalls.log(this, processId, pattern, options); }
  waitForExit(processId, options) { return processCalls.exit(this, processId, options); }
}

// answered is an operation that the vendor's answers with success and a time.
export const answered = (h, name, fields, more) => call(h, name, fields, (r) => stamped(r, more));
