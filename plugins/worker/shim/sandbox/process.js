// What startProcess gives: a process's state, with methods.
import { call } from "./handle.js";
import { pattern, wait } from "./options.js";
import { follow } from "./sse.js";

// The calls that both a Process and the sandbox itself offer.
export const processCalls = {
  kill: (h, processId, signal, options) => call(h, "killProcess", signal === undefined ? { processId, ...options } : { processId, signal, ...options }, (state) => new Process(h, state)),
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

// What the edge answered becomes the Process: a copy would cost more than the rest.
class Answer {
  constructor(state) { return state; }
}
const { setPrototypeOf } = Object;

export class Process extends Answer {
  #handle;
  constructor(handle, state) {
    super(setPrototypeOf(state, Process.prototype));
    this.#handle = handle;
  }

  // The vendor's names.
  get startTime() { return new Date(this.startedAt); }
  get endTime() { return this.endedAt === undefined ? undefined : new Date(this.endedAt); }
  get sessionId() { return this.session; }
  toJSON() { return { ...this, startTime: this.startedAt, endTime: this.endedAt }; }

  kill(signal, options) { return processCalls.kill(this.#handle, this.id, signal, options); }
  getStatus() { return call(this.#handle, "getProcess", { processId: this.id }, (state) => Object.assign(this, state).status); }
  getLogs(options) { return processCalls.logs(this.#handle, this.id, options); }
  streamLogs(options) { return processCalls.stream(this.#handle, this.id, options); }
  waitForPort(port, options) { return processCalls.port(this.#handle, port, { processId: this.id }, options); }
  waitForLog(pattern, options) { return processCalls.log(this.#handle, this.id, pattern, options); }
  waitForExit(options) { return processCalls.exit(this.#handle, this.id, options); }
}
