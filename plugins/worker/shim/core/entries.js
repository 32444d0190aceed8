// What the edge enters: requests, completed calls, and their ends.
import { edge } from "./edge.js";
import { current, enter } from "./current.js";
import { calls, complete, drop, isEnding, trace } from "./calls.js";
import { begin, open, remove, taskOf, everyTask, whenSettled } from "./task.js";
import { answer } from "./answer.js";
import { log, describe, ERROR } from "./log.js";
import { stringify, table, then } from "./table.js";
import { positions } from "./positions.js";
import { brief, isDeveloper } from "./developer.js";
import { incomingRequest } from "../web/request.js";
import { isResponse, sendPlain } from "../web/response.js";
import { environment, context } from "../env.js";
import { SandboxError } from "../sandbox/errors.js";
import { declare } from "../sandbox/classes.js";
import { Sandbox } from "../sandbox/sandbox.js";

let worker = null, Entrypoint = null, env = null;
const unhandled = table(); // promise -> {reason, req}

// serve takes the Worker's default export, all of them, and the source map of its bundle.
// With traced, failures tell where the Worker began what failed.
export const serve = (w, exports, map, traced = false) => {
  if (map) positions(map);
  if (traced) trace();
  if (typeof w === "function" && typeof w.prototype?.fetch === "function") Entrypoint = w;
  else if (typeof w?.fetch === "function") worker = w;
  else throw new TypeError(w === undefined || w === null ? "the Worker has no default export: it needs `export default { fetch(request, env, ctx) { ... } }`"
    : "the Worker's default export has no fetch(): it needs `export default { fetch(request, env, ctx) { ... } }`");
  declare(exports, Sandbox);
};

// close ends a request for which nothing is left to do.
const close = (task) => {
  if (task.held > 0) return;
  if (task.over) return;
  remove(task);
  if (task.calls !== 0) drop(task);
  if (task.holding) edge.let_go(task.req);
};
whenSettled((task) => { if (task.pump === null) close(task); });

const sent = (task) => { task.pump = null; close(task); };

const respond = (task, response) => {
  if (task.answered || task.over) return; // it was stopped, or its client is gone
  try {
    const whole = sendPlain(response, task.req) || answer(task, response, sent);
    task.answered = true;
    if (whole) close(task);
  } catch (e) { failed(task, e); }
};

// verdictOf is what the client is told of an error: {code, message}, and why if something
// stopped JavaScript. To look at what was thrown can run the Worker's code, which can
// throw or be stopped, too.
const verdictOf = (e) => {
  try {
    if (e === null) return edge.starved() === 1 ? OUT_OF_MEMORY : THROWN; // it is what the engine throws without memory for an Error
    if (e instanceof SandboxError) return e.code === "UPGRADE_REQUIRED" ? UPGRADE : THROWN; // the client's mistake
    if (e instanceof Error && e.name === "InternalError") {
      const { message } = e;
      if (message === "interrupted") return OUT_OF_TIME;
      if (message === "out of memory") return OUT_OF_MEMORY;
    }
  } catch { /* it is the Worker's own all the same */ }
  return THROWN;
};
const THROWN = { code: "PLUGIN_FAILED", message: "the Worker threw an exception", log: "Uncaught " };
const OUT_OF_TIME = { code: "TIMEOUT", message: "the Worker computed for longer than a request may", why: "time", log: "Stopped: the Worker computed for longer than a request may (compute). " };
const OUT_OF_MEMORY = { code: "PLUGIN_FAILED", message: "the Worker ran out of memory", why: "memory", log: "Out of memory: the Worker reached its limit (memory). " };
const UPGRADE = { code: "UPGRADE_REQUIRED", message: "this address speaks WebSocket only", log: "Uncaught " };

const tell = (task, { code, message }) => {
  const r = edge.fail(task.req, stringify({ code, message, retryable: false }));
  if (r < 0 && r !== -9) log(ERROR, `the error ${code} could not be answered (${-r})`, task.req);
};

// failed ends a request with an error, of which the log has the details.
const failed = (task, e) => {
  const { req } = task;
  if (task.over) return;
  enter(req);
  const verdict = verdictOf(e);
  let text = "";
  try {
    if (e !== null || verdict.why === undefined) text = describe(e);
    log(ERROR, verdict.log + text);
  } catch { /* no memory is left for the text */ }
  if (task.answered) { // what is left of it are its body and waitUntil
    if (task.pump === null) return;
    const { pump } = task;
    task.pump = null;
    task.held = 0;
    pump.breakOff(e);
    return;
  }
  task.answered = true;
  if (task.passThrough && verdict.why === undefined) {
    const r = edge.next(req);
    if (r >= 0) return close(task);
    log(ERROR, "passThroughOnException(): no other plugin can be asked");
  }
  tell(task, verdict === THROWN && isDeveloper(req) ? { code: verdict.code, message: `${verdict.message}: ${brief(text)}` } : verdict);
  close(task);
};

const HUNG = "the Worker will never answer this request: its promise waits for nothing that could still happen (no operation, timer or body is open). Is a resolve() or a return missing?";

// hang ends the requests that nothing can bring forward. It is asked when the engine
// has nothing left to do, and no call is open.
const hang = () => {
  everyTask((task) => {
    if (!task.answered) {
      log(ERROR, HUNG, task.req);
      task.answered = true;
      tell(task, { code: "PLUGIN_FAILED", message: "the Worker will never answer this request" });
    } else if (task.pump !== null) {
      log(ERROR, "the body of the answer will never end: its stream waits for nothing that could still happen", task.req);
      const { pump } = task;
      task.pump = null;
      pump.breakOff(new Error("the body will never end"));
    } else {
      log(ERROR, "waitUntil() waits for a promise that will never be settled", task.req);
    }
    task.held = 0;
    close(task);
  });
};

// settle is for what is no plain promise of the engine's: a thenable, another value, or a
// promise of a Worker that has replaced then.
const settle = async (task, p) => {
  let r;
  try { r = await p; } catch (e) { return failed(task, e); }
  respond(task, r);
};

// handlers are what the engine calls, and the tables by whose sizes it knows when.
export const handlers = {
  calls,
  requests: open,
  onInit() {},
  onRequest(req) {
    enter(req);
    const task = begin(req);
    let p;
    try {
      env ??= environment();
      const request = incomingRequest(task), ctx = context(req);
      p = worker !== null ? worker.fetch(request, env, ctx) : new Entrypoint(ctx, env).fetch(request);
    } catch (e) { return failed(task, e); }
    if (p?.then === then) p.then((r) => respond(task, r), (e) => failed(task, e));
    else if (isResponse(p)) respond(task, p); // nothing to wait for
    else settle(task, p);
  },
  onComplete(req, call, errno) {
    enter(req);
    complete(req, call, errno);
  },
  onCancel(req) {
    enter(req);
    const task = taskOf(req);
    if (task === undefined) return;
    remove(task); // what is begun from now on belongs to the instance
    drop(task);
    const { controller, pump } = task;
    if (task.answered && pump === null) return; // its time for waitUntil is over
    const reason = new DOMException("The client has disconnected", "AbortError");
    pump?.stop(reason);
    controller?.abort(reason);
  },
  onRejection(promise, reason, handled) {
    if (handled) unhandled.delete(promise);
    else if (!isEnding(reason)) unhandled.set(promise, { reason, req: current() });
  },
  onDrain() { // entered when a promise was rejected, or requests are open and no call is
    if (unhandled.size !== 0) unhandled.forEach(({ reason, req }, promise) => {
      unhandled.delete(promise); // first: a reason can be a program that does not end, when it is shown
      log(ERROR, "Unhandled promise rejection: " + describe(reason), req);
    });
    if (open.size !== 0 && calls.size === 0) hang(); // calls are the only way in which the host enters again for what was begun
  },
  onError(e) { // what no JavaScript can catch: it was stopped
    const task = taskOf(current());
    if (task !== undefined) failed(task, e);
    else log(ERROR, "Uncaught " + describe(e));
  },
};
