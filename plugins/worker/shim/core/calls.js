// The calls that wait for the host.
import { edge } from "./edge.js";
import { check, fault } from "./errors.js";
import { taskOf } from "./task.js";
import { table } from "./table.js";

const CLOSED = 9, INTERNAL = 12;

// The engine's entries look at how many there are.
export const calls = table(); // call -> what is known of it

// What is known of a call; a list, since that is the cheapest to make.
// The task is undefined for what belongs to the instance.
const TASK = 0, KIND = 1, RESOLVE = 2, REJECT = 3, THEN = 4, AT = 5;

let tracing = false;

// trace has errors of calls that fail later tell where the Worker began them. That
// costs some ten microseconds for each call.
export const trace = () => { tracing = true; };

const place = () => new Error().stack;

const note = (call, c) => {
  calls.set(call, c);
  const task = c[TASK];
  if (task !== undefined) task.calls++;
};

// expect has f called with (errno, result) when a call completes that was started for
// req; kind says what its result is, as for start.
export const expect = (req, call, f, kind = "none") => {
  check(call, req);
  note(call, [taskOf(req), kind, (v) => f(0, v), (e, errno) => f(errno, e), undefined, undefined]);
};

// forget takes back what expect was told.
export const forget = (call) => {
  const c = calls.get(call);
  if (c === undefined) return;
  calls.delete(call);
  const task = c[TASK];
  if (task !== undefined) task.calls--;
};

// start makes a promise of a call that was started for a request. kind says what its
// result is: text, bytes, json, handle (a number), message (of a WebSocket: a string or
// Uint8Array) or none. If then is given, the promise is of what it makes of the result.
export const start = (req, call, kind, then) => {
  if (call < 0) return Promise.reject(failure(call, req));
  const promise = new Promise(capture);
  note(call, [taskOf(req), kind, resolveIt, rejectIt, then, tracing ? place() : undefined]);
  resolveIt = rejectIt = undefined; // they keep the promise
  return promise;
};

// What settles the promise that is being made. One function that takes it costs less
// than one for each promise.
let resolveIt, rejectIt;
const capture = (resolve, reject) => {
  resolveIt = resolve;
  rejectIt = reject;
};

const failure = (call, req) => { try { check(call, req); } catch (e) { return e; } };

const endings = new WeakSet(); // the errors of drop

// isEnding tells whether an error says no more than that a request is over.
export const isEnding = (e) => typeof e === "object" && e !== null && endings.has(e);

// drop fails the calls of a request that is over: the edge does not tell of them any
// more, and who else waits for one, like a later request for what this one began, would
// wait for ever.
export const drop = (task) => {
  if (task.calls === 0) return;
  const e = fault("", CLOSED);
  endings.add(e);
  task.calls = 0;
  calls.forEach((c, call) => {
    if (c[TASK] !== task) return;
    calls.delete(call);
    c[REJECT](e, CLOSED); // what waits for it goes on later
  });
};

const result = (req, call, kind) => {
  switch (kind) {
    case "bytes": return edge.result_bytes(req, call, 0);
    case "text": return edge.result_text(req, call, 0);
    case "handle": return edge.result_handle(req, call);
    case "message": return edge.result_message(req, call);
  }
};

// complete settles what waits for a call.
export const complete = (req, call, errno) => {
  const c = calls.get(call);
  if (c === undefined) return;
  calls.delete(call);
  const task = c[TASK];
  if (task !== undefined) task.calls--;
  if (errno !== 0) {
    const text = edge.result_text(req, call, 0);
    const e = fault(typeof text === "string" ? text : "", errno);
    if (c[AT] !== undefined) Object.defineProperty(e, "stack", { value: c[AT], writable: true, configurable: true });
    return c[REJECT](e, errno);
  }
  let v;
  try {
    const kind = c[KIND], then = c[THEN];
    v = kind === "json" ? edge.result_json(req, call) : result(req, call, kind);
    if (then !== undefined) v = then(v);
  } catch (e) { return c[REJECT](e, INTERNAL); }
  c[RESOLVE](v);
};
