// The calls that wait for the host, and the requests they belong to.
import { edge } from "./edge.js";
import { check, fault } from "./errors.js";

const CAP = 0x8000;
const open = new Map(); // request -> true
const calls = new Map(); // call -> {resolve, reject, req, kind}

export const begin = (req) => { open.set(req, true); };
export const isOpen = (req) => open.has(req);

// finish forgets a request and its calls.
export const finish = (req) => {
  if (!open.delete(req) || calls.size === 0) return;
  for (const [call, c] of calls) if (c.req === req) calls.delete(call);
};

// start makes a promise of a call that was started for a request. kind says what
// its result is: text, bytes, json, handle (a number) or none.
export const start = (req, call, kind) => {
  check(call);
  return new Promise((resolve, reject) => { calls.set(call, { resolve, reject, req, kind }); });
};

// operate carries out an operation on a sandbox; body is an object of its fields.
export const operate = (req, name, body) => new Promise((resolve, reject) => {
  const call = check(edge.op_start(req, name, JSON.stringify(body)));
  calls.set(call, { resolve, reject, req, kind: "json" });
});

const bytes = (req, call) => {
  const parts = [];
  let size = 0;
  for (;;) {
    const part = edge.result_bytes(req, call, size);
    if (typeof part === "number" || part.length === 0) break;
    parts.push(part);
    size += part.length;
  }
  if (parts.length === 1) return parts[0];
  const all = new Uint8Array(size);
  let at = 0;
  for (const p of parts) { all.set(p, at); at += p.length; }
  return all;
};

const text = (req, call) => {
  const first = edge.result_text(req, call, 0);
  return typeof first === "number" || first.length < CAP / 4 ? first : edge.utf8_decode(bytes(req, call));
};

// complete settles the promise of a call.
export const complete = (req, call, errno) => {
  const c = calls.get(call);
  if (!c) return;
  calls.delete(call);
  if (errno !== 0) return c.reject(fault(text(req, call), errno));
  switch (c.kind) {
    case "none": return c.resolve();
    case "bytes": return c.resolve(bytes(req, call));
    case "handle": return c.resolve(new DataView(bytes(req, call).buffer).getUint32(0, true));
    case "json": return c.resolve(JSON.parse(text(req, call)));
    default: return c.resolve(text(req, call));
  }
};
