// Queuing strategies and what streams have in common.
import { expose } from "./idl.js";

export class CountQueuingStrategy {
  #mark;
  constructor(init) { this.#mark = markOf(init); }
  get highWaterMark() { return this.#mark; }
  get size() { return one; }
}
expose(CountQueuingStrategy);

export class ByteLengthQueuingStrategy {
  #mark;
  constructor(init) { this.#mark = markOf(init); }
  get highWaterMark() { return this.#mark; }
  get size() { return byteLength; }
}
expose(ByteLengthQueuingStrategy);

const one = function size() { return 1; };
const byteLength = function size(chunk) { return chunk.byteLength; };
const markOf = (init) => {
  if (typeof init !== "object" && typeof init !== "function" || init === null || init.highWaterMark === undefined) throw new TypeError("a queuing strategy needs a highWaterMark");
  return Number(init.highWaterMark);
};

// highWaterMark is a strategy's, or the default.
export const highWaterMark = (strategy, normal) => {
  if (strategy?.highWaterMark === undefined) return normal;
  const n = Number(strategy.highWaterMark);
  if (Number.isNaN(n) || n < 0) throw new RangeError(`highWaterMark must be a number of 0 or more, not ${n}`);
  return n;
};

// sizeOf is a strategy's function, or undefined for 1.
export const sizeOf = (strategy) => {
  const f = strategy?.size;
  if (f !== undefined && typeof f !== "function") throw new TypeError("the size of a queuing strategy must be a function");
  return f === undefined ? undefined : (chunk) => f.call(undefined, chunk);
};

// weigh is a chunk's size; it must be a finite number.
export const weigh = (size, chunk) => {
  if (size === undefined) return 1;
  const n = Number(size(chunk));
  if (!(n >= 0 && n < Infinity)) throw new RangeError(`a chunk's size must be a finite number of 0 or more, not ${n}`);
  return n;
};

// method is o's function of a name as one that gives a promise, or undefined.
export const method = (o, name) => {
  const f = o?.[name];
  if (f === undefined) return undefined;
  if (typeof f !== "function") throw new TypeError(`${name} is not a function`);
  return (...args) => { try { return Promise.resolve(f.apply(o, args)); } catch (e) { return Promise.reject(e); } };
};

// deferred is a promise with its ends; settled tells whether one was used.
export const deferred = () => {
  const d = { settled: false, promise: undefined, resolve: undefined, reject: undefined };
  d.promise = new Promise((resolve, reject) => {
    d.resolve = (v) => { d.settled = true; resolve(v); };
    d.reject = (e) => { d.settled = true; reject(e); };
  });
  return d;
};

// quiet has nobody told that a promise was rejected.
export const quiet = (p) => { p.then(undefined, () => {}); return p; };
