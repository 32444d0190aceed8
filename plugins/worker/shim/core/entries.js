// What the edge enters: requests, completed calls, and their ends.
import { edge } from "./edge.js";
import { current, enter } from "./current.js";
import { begin, complete, finish, isOpen } from "./calls.js";
import { log, describe, ERROR } from "./log.js";
import { positions } from "./positions.js";
import { Request } from "../web/request.js";
import { Response, deliver } from "../web/response.js";
import { environment, context } from "../env.js";

let worker = null, env = null;
const unhandled = new Map(); // promise -> {reason, req}

// serve takes the Worker's default export and the source map of its bundle.
export const serve = (w, map) => {
  if (map) positions(map);
  if (typeof w?.fetch !== "function") throw new TypeError("the Worker's default export has no fetch()");
  worker = w;
};

const answer = (req, r) => {
  if (!(r instanceof Response)) throw new TypeError("fetch() of the Worker did not return a Response");
  deliver(req, r);
  finish(req);
};

const failed = (req, e) => {
  enter(req);
  log(ERROR, "Uncaught " + describe(e));
  edge.fail(req, JSON.stringify({ code: "PLUGIN_FAILED", message: "the Worker threw an exception" }));
  finish(req);
};

export const handlers = {
  onInit() {},
  onRequest(req) {
    enter(req);
    begin(req);
    let p;
    try {
      env ??= environment();
      p = worker.fetch(new Request(req), env, context(req));
      if (p instanceof Response) return answer(req, p); // nothing to wait for
    } catch (e) { return failed(req, e); }
    if (typeof p?.then !== "function") p = Promise.resolve(p);
    p.then((r) => { try { answer(req, r); } catch (e) { failed(req, e); } }, (e) => failed(req, e));
  },
  onComplete(req, call, errno) {
    enter(req);
    complete(req, call, errno);
  },
  onCancel(req) { finish(req); },
  onRejection(promise, reason, handled) {
    if (handled) unhandled.delete(promise);
    else unhandled.set(promise, { reason, req: current() });
  },
  onDrain() {
    for (const { reason } of unhandled.values()) log(ERROR, "Unhandled promise rejection: " + describe(reason));
    unhandled.clear();
  },
  onError(e) { // what no JavaScript can catch: it was stopped
    if (current() !== 0 && isOpen(current())) failed(current(), e);
    else log(ERROR, "Uncaught " + describe(e));
  },
};
