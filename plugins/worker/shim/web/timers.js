// Timers (HTML standard, section 8.7), by the host's.
//
// A timer belongs to the isolate: it outlives the answer of the request that set it,
// and ends with the isolate's generation, when the Worker is replaced or stopped.

import { edge, enter, expect, forget, owner, current, check, log, describe, ERROR } from "../core/index.js";
import { table } from "../core/table.js";
import { notAtTopLevel } from "./top_level.js";

const LONGEST = 0x7fffffff; // milliseconds; beyond that, as in Node and browsers, it is 1

let last = 0;
const timers = table(); // id -> timer

// A timer is {id, req, call, callback, args, every, due}; every is 0 if it fires
// once, and due when an interval wants to fire next.

const arm = (timer, ms) => {
  const call = edge.timer_start(0, ms);
  if (call < 0) {
    timers.delete(timer.id);
    check(call, 0);
  }
  timer.call = call;
  expect(0, call, (errno) => { if (errno === 0) fire(timer); else timers.delete(timer.id); });
};

const fire = (timer) => {
  if (timer.every === 0) timers.delete(timer.id);
  enter(owner(timer.req));
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
  const timer = { id: ++last, req: current(), call: 0, callback, args, every: repeats ? ms : 0, due: repeats ? Date.now() + ms : 0 };
  timers.set(timer.id, timer);
  arm(timer, ms);
  return timer.id;
};

const clear = (id) => {
  const timer = timers.get(Number(id));
  if (timer === undefined) return;
  timers.delete(timer.id);
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
