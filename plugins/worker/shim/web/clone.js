// structuredClone (HTML, section 2.7): values of the language; nothing of the platform
// can be cloned here but Blob and File, which nobody can change.
import { Blob } from "./blob.js";
import { need } from "./idl.js";

const refuse = (what) => new DOMException(`${what} could not be cloned.`, "DataCloneError");

const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const kindOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const views = Object.fromEntries([Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, globalThis.Float16Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array].filter(Boolean).map((C) => [C.name, C]));
const tag = (v) => Object.prototype.toString.call(v).slice(8, -1);

// internal tells whether v has the slots of a class, whatever its prototype says.
const internal = (probe, v) => { try { probe.call(v); return true; } catch { return false; } };
const date = Date.prototype.getTime, map = Object.getOwnPropertyDescriptor(Map.prototype, "size").get, set = Object.getOwnPropertyDescriptor(Set.prototype, "size").get;
const length = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;
const boxes = [[Boolean.prototype.valueOf, Boolean], [Number.prototype.valueOf, Number], [String.prototype.valueOf, String]];

const copyBuffer = (b) => {
  if (b.resizable) {
    const n = new ArrayBuffer(b.byteLength, { maxByteLength: b.maxByteLength });
    new Uint8Array(n).set(new Uint8Array(b));
    return n;
  }
  return b.slice(0);
};

const cloneError = (v, seen) => {
  const name = typeof v.name === "string" && Object.hasOwn(errors, v.name) ? v.name : "Error";
  const made = new errors[name]();
  seen.set(v, made);
  delete made.message;
  delete made.stack;
  const set = (k, value) => Object.defineProperty(made, k, { value, writable: true, enumerable: false, configurable: true });
  const message = Object.getOwnPropertyDescriptor(v, "message");
  if (message !== undefined && "value" in message) set("message", String(message.value));
  if (typeof v.stack === "string") set("stack", v.stack);
  if (Object.hasOwn(v, "cause")) set("cause", clone(v.cause, seen));
  return made;
};

const clone = (v, seen) => {
  switch (typeof v) {
    case "symbol": throw refuse(String(v));
    case "function": throw refuse(Function.prototype.toString.call(v).slice(0, 60));
    case "object": break;
    default: return v;
  }
  if (v === null) return null;
  if (seen.has(v)) return seen.get(v);
  const keep = (c) => { seen.set(v, c); return c; };
  if (Array.isArray(v)) {
    const c = keep(new Array(v.length));
    for (const k of Object.keys(v)) c[k] = clone(v[k], seen);
    return c;
  }
  if (internal(length, v)) {
    if (v.detached) throw refuse("A detached ArrayBuffer");
    return keep(copyBuffer(v));
  }
  if (typeof SharedArrayBuffer === "function" && v instanceof SharedArrayBuffer) throw refuse("A SharedArrayBuffer");
  if (ArrayBuffer.isView(v)) {
    const Class = v instanceof DataView ? DataView : views[kindOf.call(v)];
    const buffer = clone(v.buffer, seen);
    return keep(new Class(buffer, v.byteOffset, v instanceof DataView ? v.byteLength : v.length));
  }
  if (internal(date, v)) return keep(new Date(date.call(v)));
  if (internal(map, v)) {
    const c = keep(new Map());
    for (const [k, x] of [...Map.prototype.entries.call(v)]) c.set(clone(k, seen), clone(x, seen));
    return c;
  }
  if (internal(set, v)) {
    const c = keep(new Set());
    for (const x of [...Set.prototype.values.call(v)]) c.add(clone(x, seen));
    return c;
  }
  for (const [probe, Class] of boxes) if (internal(probe, v)) return keep(new Class(probe.call(v)));
  if (tag(v) === "BigInt" && internal(BigInt.prototype.valueOf, v)) return keep(Object(BigInt.prototype.valueOf.call(v)));
  if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
  if (v instanceof DOMException) return keep(new DOMException(v.message, v.name));
  if (v instanceof Error) return cloneError(v, seen);
  if (v instanceof Blob) return v;
  if (isHost(v)) throw refuse(`#<${v.constructor?.name ?? tag(v)}>`);
  const c = keep({});
  for (const k of Object.keys(v)) {
    if (!Object.hasOwn(v, k)) continue; // a getter took it away
    Object.defineProperty(c, k, { value: clone(v[k], seen), writable: true, enumerable: true, configurable: true });
  }
  return c;
};

// isHost tells whether an object is one of those that are more than their properties.
const slots = [[].keys(), new Map().keys(), new Set().keys(), ""[Symbol.iterator]()].map(Object.getPrototypeOf);
slots.push(Object.getPrototypeOf(function* () {}.prototype), Object.getPrototypeOf(async function* () {}.prototype));
const platform = [Promise, WeakMap, WeakSet, globalThis.WeakRef, globalThis.FinalizationRegistry].filter(Boolean);
const isHost = (v) => platform.some((C) => v instanceof C) || slots.some((p) => Object.prototype.isPrototypeOf.call(p, v)) || tag(v) === "Arguments" || internal(Symbol.prototype.valueOf, v);

// uncloneable has structuredClone refuse a class' objects.
export const uncloneable = (classes) => { platform.push(...classes); };

export const structuredClone = function structuredClone(value, options = undefined) {
  need(arguments.length, 1, "structuredClone");
  const list = [...options?.transfer ?? []], seen = new Map();
  if (new Set(list).size !== list.length) throw refuse("An ArrayBuffer that is transferred twice");
  for (const b of list) {
    if (!internal(length, b)) throw refuse("A value in the transfer list that is no ArrayBuffer");
    if (b.detached) throw refuse("A detached ArrayBuffer");
  }
  for (const b of list) seen.set(b, copyBuffer(b)); // the old one goes when all went well
  const c = clone(value, seen);
  for (const b of list) b.transfer?.();
  return c;
};
