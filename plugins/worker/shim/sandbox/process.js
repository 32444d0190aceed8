// What startProcess gives: a process's state, with methods.
import { call } from "./handle.js";
import { pattern, wait } from "./options.js";
import { follow } from "./sse.js";

// The calls that both a Process and the sandbox itself offer.
export const processCalls = {
  kill: (h, processId, signal, options) => call(h, "killProcess", signal === undefined ? { processId, ...options } : { processId, signal, ...options }, (state) => processOf(h, state)),
  logs: (h, processId, options) => call(h, "getLogs", { processId, ...options }, (logs) => { logs.processId = processId; return logs; }),
  stream: (h, processId, options) => follow(h, processId, options),
  port: (h, port, fields, options) => call(h, "waitForPort", wait({ port, ...fields }, options)),
  exit: (h, processId, options) => call(h, "waitForExit", wait({ processId }, options)),
  log: (h, processId, looked, options) => call(h, "waitForLog", wait({ processId, ...pattern(looked) }, options), (found) => {
    if (looked instanceof RegExp) { // with the groups' names, the index and the input
      looked.lastIndex = 0;
      found.match = looked.exec(found.line) ?? found.match;
    }
    return found;
  }),
};

const handles = new WeakMap(); // Process -> the handle that it came from
const handleOf = (process) => {
  const h = handles.get(process);
  if (h === undefined) throw new TypeError("this is no Process that the edge gave: ask the sandbox for it by its id");
  return h;
};

export class Process {
  // The vendor's names.
  get startTime() { return new Date(this.startedAt); }
  get endTime() { return this.endedAt === undefined ? undefined : new Date(this.endedAt); }
  get sessionId() { return this.session; }
  toJSON() { return { ...this, startTime: this.startedAt, endTime: this.endedAt }; }

  kill(signal, options) { return processCalls.kill(handleOf(this), this.id, signal, options); }
  getStatus() { return call(handleOf(this), "getProcess", { processId: this.id }, (state) => Object.assign(this, state).status); }
  getLogs(options) { return processCalls.logs(handleOf(this), this.id, options); }
  streamLogs(options) { return processCalls.stream(handleOf(this), this.id, options); }
  waitForPort(port, options) { return processCalls.port(handleOf(this), port, { processId: this.id }, options); }
  waitForLog(pattern, options) { return processCalls.log(handleOf(this), this.id, pattern, options); }
  waitForExit(options) { return processCalls.exit(handleOf(this), this.id, options); }
}
const { setPrototypeOf } = Object, { prototype } = Process;

// processOf makes the Process of what the edge answered, which becomes it: a copy would
// cost more than the rest.
export const processOf = (h, state) => {
  handles.set(setPrototypeOf(state, prototype), h);
  return state;
};
