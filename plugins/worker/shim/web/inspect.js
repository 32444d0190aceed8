// Values as the console shows them, in the way of Node's util.inspect: two levels
// deep, lines of 80 columns, with the names of classes and what refers to itself.

import { source } from "../core/index.js";
import { group, quote, single, WIDTH } from "./inspect_layout.js";

const custom = Symbol.for("nodejs.util.inspect.custom");
const MOST = 100; // elements of an array, a map or a set that are shown
const identifier = /^[A-Za-z_][A-Za-z_0-9]*$/;

const TypedArray = Object.getPrototypeOf(Uint8Array);
const tagOfTyped = Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get;

// is tells whether a getter or method of a class works on the value, which no value
// can feign as it can a prototype. That it does not costs some ten microseconds.
const is = (probe, value) => {
  try { probe.call(value); return true; } catch { return false; }
};
const sizeOfMap = Object.getOwnPropertyDescriptor(Map.prototype, "size").get;
const sizeOfSet = Object.getOwnPropertyDescriptor(Set.prototype, "size").get;
const sizeOfBuffer = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;

// className is the name of the class whose object this is; null without a prototype.
const className = (value) => {
  for (let o = value; o !== null; o = Object.getPrototypeOf(o)) {
    const c = Object.getOwnPropertyDescriptor(o, "constructor")?.value;
    if (typeof c === "function" && c.name !== "" && value instanceof c) return c.name;
  }
  return null;
};

const prefix = (name, tag, fallback, size = "") => {
  const label = name === null ? `[${fallback}${size}: null prototype]` : name + size;
  return tag !== "" && tag !== name ? `${label} [${tag}] ` : `${label} `;
};

const functionBase = (f, name, tag) => {
  const text = Function.prototype.toString.call(f);
  if (text.startsWith("class")) {
    const parent = Object.getPrototypeOf(f)?.name;
    return `[class ${f.name || "(anonymous)"}${parent ? ` extends ${parent}` : ""}]`;
  }
  const kind = name === null ? "Function (null prototype)" : tag === "" ? name : `${name} [${tag}]`;
  return f.name ? `[${kind}: ${f.name}]` : `[${kind} (anonymous)]`;
};

// errorBase is the error's name, message and stack with the places of the source.
const errorBase = (e, name, indentation) => {
  let head = e.name === "Error" && name !== null ? name : String(e.name ?? name);
  if (e.message !== undefined && e.message !== "") head += `: ${e.message}`;
  const stack = typeof e.stack === "string" ? source(e.stack).trimEnd() : "";
  if (stack === "") return `[${head}]`;
  const own = stack.startsWith("    at ") ? `${head}\n${stack}` : stack.includes("\n    at ") ? stack : `[${stack}]`;
  return indentation === 0 ? own : own.replaceAll("\n", "\n" + " ".repeat(indentation));
};

const keysOf = (value) => {
  const keys = Object.keys(value);
  for (const s of Object.getOwnPropertySymbols(value)) if (Object.prototype.propertyIsEnumerable.call(value, s)) keys.push(s);
  return keys;
};

// An Inspection is one value's way through the functions below.
class Inspection {
  depth; indentation = 0; deepest = 0; circular = null; seen = [];

  constructor(depth) { this.depth = depth; }

  value(v, level, isTyped) {
    switch (typeof v) {
      case "string": return this.text(v);
      case "number": return Object.is(v, -0) ? "-0" : String(v);
      case "bigint": return `${v}n`;
      case "object": case "function": break;
      default: return String(v);
    }
    if (v === null) return "null";
    const own = v[custom];
    if (typeof own === "function" && !isTyped) {
      const shown = own.call(v, this.depth === null ? null : this.depth - level, { depth: this.depth, stylize: String }, inspect);
      if (shown !== v) return typeof shown === "object" && shown !== null ? this.value(shown, level) : String(shown).replaceAll("\n", "\n" + " ".repeat(this.indentation));
    }
    if (this.seen.includes(v)) {
      this.circular ??= new Map();
      if (!this.circular.has(v)) this.circular.set(v, this.circular.size + 1);
      return `[Circular *${this.circular.get(v)}]`;
    }
    return this.object(v, level);
  }

  text(s) {
    let more = "";
    if (s.length > 10000) {
      more = `... ${s.length - 10000} more character${s.length > 10001 ? "s" : ""}`;
      s = s.slice(0, 10000);
    }
    if (s.length > 16 && s.length > WIDTH - this.indentation - 4) {
      return s.split(/(?<=\n)/).map(quote).join(" +\n" + " ".repeat(this.indentation + 2)) + more;
    }
    return quote(s) + more;
  }

  object(v, level) {
    const name = className(v), keys = keysOf(v);
    let tag = v[Symbol.toStringTag];
    if (typeof tag !== "string" || tag === name || Object.prototype.propertyIsEnumerable.call(v, Symbol.toStringTag)) tag = "";
    const plan = this.plan(v, name, tag, keys);
    if (typeof plan === "string") return plan;
    if (this.depth !== null && level > this.depth) return Array.isArray(v) ? "[Array]" : `[${name === null ? "Object: null prototype" : tag === "" ? name : `${name} [${tag}]`}]`;
    this.seen.push(v);
    this.deepest = level;
    const output = plan.entries(level + 1);
    for (const k of plan.keys ?? keys) output.push(this.property(v, k, level + 1, plan.isList));
    this.seen.pop();
    const [open, close] = plan.braces;
    let { base } = plan;
    if (this.circular?.has(v)) base = `<ref *${this.circular.get(v)}>${base === "" ? "" : " " + base}`;
    return this.reduce(output, base, open, close, plan.isList, level, v);
  }

  // plan says how a value is shown: as a text, or between braces, with entries.
  plan(v, name, tag, keys) {
    const none = () => [];
    const shape = (base, open, close, entries, isList = false) => ({ base, braces: [open, close], entries, isList });
    if (Array.isArray(v)) {
      const own = keys.filter((k) => typeof k === "symbol" || !/^(0|[1-9][0-9]*)$/.test(k));
      const open = name === "Array" && tag === "" ? "[" : prefix(name, tag, "Array", `(${v.length})`) + "[";
      if (v.length === 0 && own.length === 0) return open + "]";
      return { ...shape("", open, "]", (level) => this.elements(v, level), true), keys: own };
    }
    if (typeof v === "function") {
      const base = functionBase(v, name, tag);
      return keys.length === 0 ? base : shape(base, "{", "}", none);
    }
    const typed = ArrayBuffer.isView(v) ? tagOfTyped.call(v) : undefined;
    if (typed !== undefined) {
      const open = prefix(name, tag === typed ? "" : tag, typed, `(${v.length})`) + "[";
      const own = keys.filter((k) => typeof k === "symbol" || !/^[0-9]+$/.test(k));
      if (v.length === 0 && own.length === 0) return open + "]";
      return { ...shape("", open, "]", (level) => this.elements(v, level), true), keys: own };
    }
    if (v instanceof Set && is(sizeOfSet, v)) {
      const open = prefix(name, tag, "Set", `(${v.size})`) + "{";
      return v.size === 0 && keys.length === 0 ? open + "}" : shape("", open, "}", (level) => this.each(v, (x) => this.deeper(2, () => this.value(x, level))));
    }
    if (v instanceof Map && is(sizeOfMap, v)) {
      const open = prefix(name, tag, "Map", `(${v.size})`) + "{";
      return v.size === 0 && keys.length === 0 ? open + "}" : shape("", open, "}", (level) => this.each(v, ([k, x]) => this.deeper(2, () => `${this.value(k, level)} => ${this.value(x, level)}`)));
    }
    if (v instanceof Error) {
      const base = errorBase(v, name, this.indentation), shown = keys.filter((k) => k !== "stack" && k !== "message");
      for (const k of ["cause", "errors"]) if (Object.hasOwn(v, k) && !shown.includes(k)) shown.push(k);
      return shown.length === 0 ? base : { ...shape(base, "{", "}", none), keys: shown };
    }
    const base = this.special(v, name);
    if (base !== "") {
      const own = v instanceof String ? keys.filter((k) => typeof k === "symbol" || !/^[0-9]+$/.test(k)) : keys;
      return own.length === 0 ? base : { ...shape(base, "{", "}", none), keys: own };
    }
    if (tag === "" && Object.prototype.toString.call(v) === "[object Arguments]") return shape("", "[Arguments] {", "}", none);
    const parts = this.parts(v);
    if (parts !== null) return shape("", prefix(name, tag, "Object") + "{", "}", parts);
    const open = name === "Object" && tag === "" ? "{" : prefix(name, tag, "Object") + "{";
    return keys.length === 0 ? open + "}" : shape("", open, "}", none);
  }

  // special is the text of dates, expressions, and primitives in an object.
  special(v, name) {
    if (v instanceof Date && is(Date.prototype.getTime, v)) return Number.isNaN(Date.prototype.getTime.call(v)) ? "Invalid Date" : Date.prototype.toISOString.call(v);
    if (v instanceof RegExp) return RegExp.prototype.toString.call(v);
    for (const c of [Number, String, Boolean, BigInt, Symbol]) {
      if (v instanceof c && is(c.prototype.valueOf, v)) return `[${name}: ${new Inspection(0).value(c.prototype.valueOf.call(v), 0)}]`;
    }
    return "";
  }

  // parts is for what has no properties to show but is not empty.
  parts(v) {
    if (v instanceof ArrayBuffer && is(sizeOfBuffer, v)) {
      return () => {
        const bytes = new Uint8Array(v, 0, Math.min(v.byteLength, 50));
        const more = v.byteLength > 50 ? ` ... ${v.byteLength - 50} more byte${v.byteLength > 51 ? "s" : ""}` : "";
        return [`[Uint8Contents]: <${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ")}${more}>`, `byteLength: ${v.byteLength}`];
      };
    }
    if (v instanceof DataView) return (level) => ["byteLength", "byteOffset", "buffer"].map((k) => `${k}: ${this.deeper(2, () => this.value(v[k], level))}`);
    if (v instanceof Promise) return () => ["<state unknown>"];
    if (v instanceof WeakSet || v instanceof WeakMap) return () => ["<items unknown>"];
    if (v instanceof WeakRef) return () => ["<ref unknown>"];
    return null;
  }

  deeper(n, f) {
    this.indentation += n;
    try { return f(); } finally { this.indentation -= n; }
  }

  each(list, show) {
    const out = [];
    let left = list.size;
    for (const x of list) {
      if (out.length === MOST) { out.push(`... ${left} more item${left > 1 ? "s" : ""}`); break; }
      out.push(show(x));
      left--;
    }
    return out;
  }

  elements(list, level) {
    const out = [];
    const isTyped = !Array.isArray(list);
    let i = 0;
    for (; i < list.length && out.length < MOST; i++) {
      if (isTyped || Object.hasOwn(list, i)) { out.push(this.deeper(2, () => this.value(list[i], level, isTyped))); continue; }
      let n = 1;
      while (i + n < list.length && !Object.hasOwn(list, i + n)) n++;
      out.push(`<${n} empty item${n > 1 ? "s" : ""}>`);
      i += n - 1;
    }
    if (i < list.length) out.push(`... ${list.length - i} more item${list.length - i > 1 ? "s" : ""}`);
    return out;
  }

  property(v, key, level) {
    const d = Object.getOwnPropertyDescriptor(v, key) ?? { value: v[key], enumerable: true };
    let shown;
    if (d.get !== undefined) shown = d.set === undefined ? "[Getter]" : "[Getter/Setter]";
    else if (d.set !== undefined) shown = "[Setter]";
    else shown = this.deeper(2, () => this.value(d.value, level));
    let label = typeof key === "symbol" ? `[${String(key)}]` : key === "__proto__" ? "['__proto__']" : identifier.test(key) ? key : quote(key);
    if (!d.enumerable) label = `[${label}]`;
    return `${label}: ${shown}`;
  }

  // reduce puts the parts on one line if they fit, or each on its own.
  reduce(output, base, open, close, isList, level, v) {
    let entries = output.length;
    if (isList && entries > 6) output = group(output, this.indentation, v, MOST);
    if (this.deepest - level < 3 && entries === output.length) {
      const line = single(output, this.indentation + open.length + base.length + 10, base);
      if (line !== null) return `${base === "" ? "" : base + " "}${open} ${line} ${close}`;
    }
    const gap = "\n" + " ".repeat(this.indentation);
    return `${base === "" ? "" : base + " "}${open}${gap}  ${output.join(`,${gap}  `)}${gap}${close}`;
  }
}

// inspect shows a value; depth is how many levels of what it contains, null all.
export const inspect = (value, { depth = 2 } = {}) => {
  try {
    return new Inspection(depth).value(value, 0);
  } catch (e) {
    if (e instanceof Error) return `a value that cannot be shown: ${e.message}`;
    return "a value that cannot be shown";
  }
};
