// How a Response becomes the request's decision.
import { edge } from "./edge.js";
import { check } from "./errors.js";
import { start } from "./calls.js";
import { log, describe, ERROR } from "./log.js";
import { stringify } from "./table.js";
import { decisionOf, headOf, isResponse, payloadOf } from "../web/response.js";
import { isUnusable, isUsed, readerOf, usedError } from "../web/body.js";

const METHOD = 1, PIECE = 1 << 20;

const decide = (req, d) => {
  d.prepare?.(req); // the request is what the Worker made of it
  check(edge.connect(req, d.binding, d.id, d.port, d.options === undefined ? null : stringify(d.options)), req);
};

const respond = (req, status, block, body) => {
  const r = edge.respond(req, status, block, body);
  if (r < 0) check(r, req);
};

// answer makes the decision. It is true when the request has all of its answer; else
// task.pump sends the body, and calls done(task) at its end.
export const answer = (task, response, done) => {
  const { req } = task;
  if (!isResponse(response)) {
    throw new TypeError(`fetch() of the Worker did not return a Response, but ${response === null ? "null" : typeof response === "object" ? "another object" : typeof response}`);
  }
  const d = decisionOf(response);
  if (d !== undefined) {
    decide(req, d);
    return true;
  }
  const p = payloadOf(response), { status, block } = headOf(response);
  if (p === null) {
    respond(req, status, block, null);
    return true;
  }
  if (isUsed(p)) throw usedError();
  if (isUnusable(p)) throw new TypeError("the body of the Response is locked to a reader: release it, or return another Response");
  if (p.stream === undefined && p.source === undefined) {
    p.used = true;
    respond(req, status, block, p.text !== undefined ? p.text : p.bytes);
    return true;
  }
  const from = readerOf(p);
  if (edge.req_get(req, METHOD) === "HEAD") {
    respond(req, status, block, null);
    from.cancel("an answer to HEAD has no body").then(undefined, () => {});
    return true;
  }
  check(edge.respond_begin(req, status, block), req);
  task.pump = pump(task, from, done);
  return false;
};

// pump sends a body piece by piece: the next is asked for when the client has taken
// the one before. What it returns is how to stop it.
const pump = (task, from, done) => {
  const { req } = task;
  let over = false;
  const end = (e) => {
    if (over) return;
    over = true;
    if (e === undefined) edge.respond_end(req);
    else edge.fail(req, stringify({ code: "PLUGIN_FAILED", message: "the Worker's answer broke off" }));
    done(task);
  };
  const broken = (e) => {
    if (over) return;
    try { log(ERROR, "Uncaught in the body of the answer, which breaks off: " + describe(e), req); } finally { end(e); }
  };
  const lost = (e) => { // the client does not read on
    if (over) return;
    from.cancel(e).then(undefined, () => {});
    end(e);
  };
  const send = (bytes) => {
    const piece = bytes.length > PIECE ? bytes.subarray(0, PIECE) : bytes;
    start(req, edge.respond_write_start(req, piece), "none").then(bytes.length > PIECE ? () => send(bytes.subarray(PIECE)) : next, lost);
  };
  const next = () => {
    if (over) return;
    from.read().then((bytes) => {
      if (over) return;
      if (bytes === null) end();
      else if (bytes.length === 0) next();
      else send(bytes);
    }, broken);
  };
  next();
  return {
    stop(reason) { // the request is over already
      if (over) return;
      over = true;
      from.cancel(reason).then(undefined, () => {});
    },
    breakOff(e) { end(e); },
  };
};
