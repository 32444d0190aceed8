// Errors: what the host's errnos and JSON become.
import { edge } from "./edge.js";
import { current } from "./current.js";

const names = ["OK", "INVALID", "NOT_FOUND", "DENIED", "TIMEOUT", "BUSY", "QUOTA", "UNAVAILABLE", "TOO_LARGE", "CLOSED", "ALREADY", "UNSUPPORTED", "INTERNAL"];

// fault makes an Error of the host's JSON, or of the errno if there is none.
export const fault = (json, errno) => {
  let d = {};
  try { d = JSON.parse(json); } catch {}
  const e = new Error(d.message || names[errno] || "INTERNAL");
  e.code = d.code || names[errno];
  if (d.details !== undefined) e.details = d.details;
  return e;
};

// check throws the error behind a negative result, and returns any other.
export const check = (r) => {
  if (typeof r === "number" && r < 0) {
    const detail = current() ? edge.last_error(current()) : null;
    throw fault(typeof detail === "string" ? detail : "", -r);
  }
  return r;
};
