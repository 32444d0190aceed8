// Timers (HTML standard, section 8.7), by the host's.
//
// A timer belongs to the isolate: it outlives the answer of the request that set it,
// and ends with the isolate's generation, when the Worker is replaced or stopped.

import { edge, enter, expect, forget, owner, origin, check, fault, log, describe, ERROR } from "../core/index.js";
import { stringify, table } from "../core/table.js";
import { notAtTopLevel } from "./top_level.js";

const LONGEST = 0x7fffffff; // milliseconds; beyond that, as in Node and browsers, it is 1

// How many timers may be open that one request set, by itself or in callbacks of its
// timers, so that it cannot take the 10,000 of the isolate from the others. What was
// set for none (request 0) shares half of those.
const SHARE = 1000, SHARE_OF_NONE = 5000, QUOTA = 6;

let last = 0;
const timers = table(); // id -> timer
const shares = table(); // request, also one that is over -> how many it has open

// A timer is {id, req, call, callback, args, every, due}; every is 0 if it fires
// once, and due when an interval wants to fire next. req is the request that it
// counts for.

const open = (timer) => {
  shares.set(timer.req, (shares.get(timer.req) ?? 0) + 1);
  timers.set(timer.id, timer);
};

const close = (timer) => {
  if (!timers.delete(timer.id)) return;
  const n = shares.get(timer.req) - 1;
  if (n === 0) shares.delete(timer.req);
  else shares.set(timer.req, n);
};

const roomFor = (req, name) => {
  const most = req === 0 ? SHARE_OF_NONE : SHARE;
  if ((shares.get(req) ?? 0) < most) return;
  throw fault(stringify({ code: "QUOTA_EXCEEDED", message: `${name}: ${most} timers ${req === 0 ? "that belong to no request" : "of this request"} are open already`,
    suggestion: "clear those that are not needed, or have one timer do what is due" }), QUOTA);
};

const arm = (timer, ms) => {
  const call = edge.timer_start(0, ms);
  if (call < 0) {
    close(timer);
    check(call, 0);
  }
  timer.call = call;
  expect(0, call, (errno) => { if (errno === 0) fire(timer); else close(timer); });
};

const fire = (timer) => {
  if (timer.every === 0) close(timer);
  enter(owner(timer.req), timer.req);
  try {
    timer.callback.apply(globalThis, timer.args);
  } catch (e) {
    log(ERROR, `Uncaught in a timer: ${describe(e)}`);
  }
  if (timer.every === 0 || !timers.has(timer.id)) return;
  // An interval keeps its pace, but what was missed is not made up for.
  const now = Date.now();
  timer.due += timer.every;
  if (timer.due <= now) timer.due = now + timer.every;
  try {
    arm(timer, timer.due - now);
  } catch (e) {
    log(ERROR, `An interval ended: ${describe(e)}`);
  }
};

const delay = (ms) => {
  ms = Math.trunc(Number(ms));
  return ms >= 1 && ms <= LONGEST ? ms : 1;
};

const set = (name, callback, ms, args, repeats) => {
  if (typeof callback !== "function") throw new TypeError(`${name} needs a function`);
  notAtTopLevel(name);
  ms = delay(ms);
  const req = origin();
  roomFor(req, name);
  const timer = { id: ++last, req, call: 0, callback, args, every: repeats ? ms : 0, due: repeats ? Date.now() + ms : 0 };
  open(timer);
  arm(timer, ms);
  return timer.id;
};

const clear = (id) => {
  const timer = timers.get(Number(id));
  if (timer === undefined) return;
  close(timer);
  forget(timer.call);
  edge.timer_stop(0, timer.call);
};

export const setTimeout = function setTimeout(callback, ms = 0, ...args) { return set("setTimeout", callback, ms, args, false); };
export const setInterval = function setInterval(callback, ms = 0, ...args) { return set("setInterval", callback, ms, args, true); };
export const clearTimeout = function clearTimeout(id = 0) { clear(id); };
export const clearInterval = function clearInterval(id = 0) { clear(id); };

// setImmediate and clearImmediate are Node's, which packages use.
export const setImmediate = function setImmediate(callback, ...args) { return set("setImmediate", callback, 0, args, false); };
export const clearImmediate = function clearImmediate(id = 0) { clear(id); };

// scheduler.wait(ms, {signal}) is a promise of a timer.
export const scheduler = {
  wait(ms, options = undefined) {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => { clear(id); reject(signal.reason); };
      const id = set("scheduler.wait", () => { signal?.removeEventListener("abort", stop); resolve(); }, ms, [], false);
      signal?.addEventListener("abort", stop, { once: true });
    });
  },
};
