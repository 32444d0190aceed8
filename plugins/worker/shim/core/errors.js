// Errors: what the host's errnos and JSON become.
import { edge } from "./edge.js";
import { current } from "./current.js";
import { failure } from "../sandbox/errors.js";
import { parse } from "./table.js";

const names = ["OK", "INVALID", "NOT_FOUND", "DENIED", "TIMEOUT", "BUSY", "QUOTA", "UNAVAILABLE", "TOO_LARGE", "CLOSED", "ALREADY", "UNSUPPORTED", "INTERNAL"];

// texts are of errnos that came without a text of the host's.
const texts = {
  CLOSED: "the request is over: what belongs to it cannot be used any more (ctx.waitUntil keeps it for a while)",
  UNSUPPORTED: "this edge cannot do that",
};

// fault makes an Error of the host's JSON, or of the errno if there is none: a
// SandboxError, with the fields of the edge's errors.
export const fault = (json, errno) => {
  let d;
  try { d = parse(json); } catch { /* there is none */ }
  const name = names[errno] ?? "INTERNAL";
  if (typeof d !== "object" || d === null) d = {};
  return failure(d, d.message || texts[name] || name, d.code || name);
};

// check throws the error behind a negative result, and returns any other. req is the
// request that was asked for, if it is not the current one.
export const check = (r, req = current()) => {
  if (typeof r === "number" && r < 0) {
    const detail = req !== 0 && r !== -9 ? edge.last_error(req) : null;
    throw fault(typeof detail === "string" ? detail : "", -r);
  }
  return r;
};
