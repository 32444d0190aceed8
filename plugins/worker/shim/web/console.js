// console (WHATWG console standard): lines of the log, at the level that each method
// stands for. Formats and values are written as Node writes them.

import { current, log, source, DEBUG, INFO, WARN, ERROR } from "../core/index.js";
import { taskOf } from "../core/task.js";
import { inspect } from "./inspect.js";
import { performance } from "./performance.js";
import { table } from "./console_table.js";

const number = (v, read) => {
  if (typeof v === "bigint") return `${v}n`;
  if (typeof v === "symbol") return "NaN";
  const n = typeof v === "object" && v !== null && read === Number ? NaN : read(v);
  return Object.is(n, -0) ? "-0" : String(n);
};

const json = (v) => {
  try { return String(JSON.stringify(v)); } catch (e) {
    if (/circular/i.test(e?.message)) return "[Circular]";
    throw e;
  }
};

const string = (v) => {
  if (typeof v === "bigint") return `${v}n`;
  if (Object.is(v, -0)) return "-0";
  if (typeof v !== "object" || v === null) return String(v);
  const own = v.toString; // the engine's own say less than inspect does
  if (typeof own !== "function" || v instanceof Error || Function.prototype.toString.call(own).includes("[native code]")) return inspect(v, { depth: 0 });
  return String(v);
};

const formats = {
  s: string, d: (v) => number(v, Number), i: (v) => number(v, (x) => (typeof x === "object" ? NaN : parseInt(x, 10))), f: (v) => (typeof v === "symbol" ? "NaN" : number(parseFloat(v), (x) => x)),
  j: json, o: (v) => inspect(v, { depth: 4 }), O: (v) => inspect(v), c: () => "",
};

// format makes one text of a call's arguments.
export const format = (args) => {
  const [first] = args;
  let text = "", at = 0;
  if (typeof first === "string") {
    if (args.length === 1) return first;
    at = 1;
    text = first.replace(/%([sdifjoOc%])/g, (whole, kind) => {
      if (kind === "%") return "%";
      return at < args.length ? formats[kind](args[at++]) : whole;
    });
    if (at < args.length) text += " ";
  }
  const rest = [];
  for (; at < args.length; at++) rest.push(typeof args[at] === "string" ? args[at] : inspect(args[at]));
  return text + rest.join(" ");
};

// Groups, counters and clocks are those of the request that is worked on, whatever
// others write meanwhile; outside of any they are the isolate's.
const states = new WeakMap(); // task -> state
const fresh = () => ({ indent: "", counts: new Map(), clocks: new Map() });
const outside = fresh();
const mine = () => {
  const task = taskOf(current());
  if (task === undefined) return outside;
  let s = states.get(task);
  if (s === undefined) states.set(task, s = fresh());
  return s;
};

const write = (level, text) => {
  const task = taskOf(current()), indent = task === undefined ? outside.indent : states.get(task)?.indent ?? "";
  log(level, (indent === "" ? text : indent + text.replaceAll("\n", "\n" + indent)).toWellFormed());
};

const line = (level) => (...args) => { write(level, format(args)); };

const elapsed = (label) => {
  const begun = mine().clocks.get(label);
  if (begun === undefined) { write(WARN, `No such label '${label}' for console.time()`); return null; }
  const ms = performance.now() - begun;
  return `${label}: ${ms >= 1000 ? `${(ms / 1000).toFixed(3)}s` : `${Number(ms.toFixed(3))}ms`}`;
};

// Workers get an object of its own, whose methods they may replace.
export const console = {
  log: line(INFO), info: line(INFO), debug: line(DEBUG), warn: line(WARN), error: line(ERROR),

  trace(...args) {
    const text = format(args), stack = new Error().stack.split("\n").slice(1).join("\n");
    write(ERROR, `Trace${text === "" ? "" : ": " + text}\n${source(stack)}`.trimEnd());
  },
  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift("Assertion failed" + (args.length > 0 ? ":" : ""));
    write(ERROR, format(args));
  },
  dir(value, options) { write(INFO, inspect(value, options ?? {})); },
  dirxml: line(INFO),
  table(data, columns) { write(INFO, typeof data === "object" && data !== null ? table(data, columns) : format([data])); },

  count(label = "default") {
    const { counts } = mine();
    label = String(label);
    counts.set(label, (counts.get(label) ?? 0) + 1);
    write(INFO, `${label}: ${counts.get(label)}`);
  },
  countReset(label = "default") {
    if (!mine().counts.delete(String(label))) write(WARN, `Count for '${label}' does not exist`);
  },

  group(...args) {
    if (args.length > 0) write(INFO, format(args));
    mine().indent += "  ";
  },
  groupCollapsed(...args) { console.group(...args); },
  groupEnd() { const s = mine(); s.indent = s.indent.slice(2); },

  time(label = "default") {
    const { clocks } = mine();
    label = String(label);
    if (clocks.has(label)) return write(WARN, `Label '${label}' already exists for console.time()`);
    clocks.set(label, performance.now());
  },
  timeLog(label = "default", ...args) {
    const text = elapsed(String(label));
    if (text !== null) write(INFO, args.length === 0 ? text : `${text} ${format(args)}`);
  },
  timeEnd(label = "default") {
    const text = elapsed(String(label));
    if (text === null) return;
    mine().clocks.delete(String(label));
    write(INFO, text);
  },
  clear() {},
};
Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });
