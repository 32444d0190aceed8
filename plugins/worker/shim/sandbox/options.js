import { edge } from "../core/edge.js";

// Options of calls, in both dialects: what the edge calls otherwise is renamed, what
// has a meaning for the caller alone is left out, and all else goes over as it is, so
// that the edge names a field that there is not.

const renamed = {
  sessionId: "session", commandTimeoutMs: "timeout", cloneTimeoutMs: "timeout",
  stream: null, bufferSize: null, autoCleanup: null, origin: null, hostname: null, isolation: null,
};

// encodings are the vendor's words for the edge's.
const encodings = { "utf-8": "utf8", "UTF-8": "utf8" };

// fill adds options to the fields of an operation.
export const fill = (fields, options) => {
  if (options === undefined || options === null) return fields;
  for (const name in options) {
    const value = options[name];
    if (value === undefined || typeof value === "function") continue;
    const to = renamed[name];
    if (to === null || isSignal(value)) continue;
    if (to !== undefined) fields[to] = value;
    else if (name === "encoding") fields.encoding = encodings[value] ?? value;
    else fields[name] = value;
  }
  return fields;
};

const isSignal = (value) => typeof value === "object" && value !== null && typeof value.aborted === "boolean";

// command is the fields of a command: a string for the shell, or a list of words.
export const command = (c, options) => {
  if (typeof c === "string") return fill({ command: c }, options);
  return fill(Array.isArray(c) ? { argv: c } : { ...c }, options);
};

// Options that go over as they are, under their own names.
const plain = { __proto__: null, processId: ',"processId":', cwd: ',"cwd":', timeout: ',"timeout":', ifRunning: ',"ifRunning":', user: ',"user":' };
const { stringify } = JSON, { keys, getPrototypeOf, prototype: common } = Object;

// quoted is a string as JSON, with a text before it and one after it.
export const quoted = (before, s, after) => edge.quote(before, s, after) ?? before + stringify(s) + after;

// commandText is the JSON of a command whose options are the common ones, made at once,
// as call takes it without the first brace; undefined if command has to look at them.
export const commandText = (line, options) => {
  if (typeof line !== "string") return undefined;
  if (options === undefined || options === null) return quoted('"command":', line, "}");
  if (getPrototypeOf(options) !== common) return undefined; // it may have more
  const names = keys(options), last = names.length - 1;
  let text = quoted('"command":', line, last < 0 ? "}" : "");
  for (let i = 0; i <= last; i++) {
    const name = names[i], value = options[name], before = plain[name], after = i === last ? "}" : "";
    if (before === undefined) return undefined;
    if (typeof value === "string") text += quoted(before, value, after);
    else if (typeof value === "number") text += before + stringify(value) + after;
    else return undefined;
  }
  return text;
};

// stamped adds what the vendor's answers have besides.
export const stamped = (answer, more) => Object.assign({ success: true }, answer, more, { timestamp: new Date().toISOString() });

// wait is the fields of a wait: its last argument is a time in milliseconds, "10s" or
// an object of options.
export const wait = (fields, timeoutOrOptions) =>
  typeof timeoutOrOptions === "object" ? fill(fields, timeoutOrOptions) : timeoutOrOptions === undefined ? fields : fill(fields, { timeout: timeoutOrOptions });

// pattern is the fields of what waitForLog looks for. Regular expressions are RE2 at
// the edge: escapes that it writes otherwise are rewritten, and the edge names those
// that it does not have.
export const pattern = (p) => {
  if (!(p instanceof RegExp)) return { pattern: String(p) };
  const flags = p.flags.replace(/[^ims]/g, "");
  const source = p.source.replace(/\\u\{([0-9a-fA-F]+)\}|\\u([0-9a-fA-F]{4})|\\([^])/g, (whole, long, short, other) => other === undefined ? `\\x{${long ?? short}}` : other === "/" ? "/" : whole);
  return { pattern: flags === "" ? source : `(?${flags})${source}`, regexp: true };
};
