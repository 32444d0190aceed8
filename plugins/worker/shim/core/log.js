// Lines of the log.
import { edge } from "./edge.js";
import { current } from "./current.js";
import { source } from "./positions.js";
import lacking from "./lacking.json" with { type: "json" };

export const DEBUG = -4, INFO = 0, WARN = 4, ERROR = 8;

// log writes one line for a request: the one that is worked on, if none is given.
export const log = (level, text, req = current()) => edge.log(req, level, text, null);

// describe is an error as the log shows it, with the positions of the source.
export const describe = (e) => {
  try {
    if (e instanceof Error) return trace(e, 0, "");
    return typeof e === "string" ? e : typeof e === "object" && e !== null ? JSON.stringify(e) : String(e);
  } catch { return "a value that cannot be shown"; }
};

// advice is what to use in place of a global that other platforms have.
const advice = (message) => {
  const name = message.endsWith(" is not defined") ? message.slice(0, -15) : "";
  return Object.hasOwn(lacking, name) ? ", and is not there on this edge: " + lacking[name] : "";
};

// trace is an error with its place and its causes. above is what the error says that it
// is the cause of: that is not said twice.
const trace = (e, depth, above) => {
  let s = e.message !== "" && above.includes(e.message) ? e.name : `${e.name}: ${e.message}`;
  if (e.name === "ReferenceError") s += advice(e.message);
  if (typeof e.suggestion === "string" && !s.includes(e.suggestion) && !above.includes(e.suggestion)) s += `; ${e.suggestion}`;
  if (typeof e.code === "string") s += typeof e.operation === "string" && !s.includes(e.operation) ? ` (${e.code} of ${e.operation})` : ` (${e.code})`;
  const stack = typeof e.stack === "string" ? source(e.stack).trimEnd() : "";
  const causes = e.cause instanceof Error;
  if (stack !== "" && !(causes && stack.includes("(edge:"))) s += "\n" + stack; // then the cause has a better place
  if (causes && depth < 4) s += "\ncaused by " + trace(e.cause, depth + 1, e.message);
  return s;
};
