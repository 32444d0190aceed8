// URLSearchParams (WHATWG URL standard, section 6) and the encoding of forms that it
// reads and writes.

import { edge } from "../core/edge.js";
import { expose, iterators, need } from "./idl.js";
import { decode } from "./percent.js";

const text = (v) => (typeof v === "string" ? v : `${v}`).toWellFormed();

const escapes = { "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E", "%20": "+" };
const encode = (s) => encodeURIComponent(s).replace(/[!'()~]|%20/g, (c) => escapes[c]);

// parseForm returns a flat list of names and values.
const parseForm = (input) => {
  const list = [];
  if (input === "") return list;
  const pairs = input.split("&"), isEncoded = input.includes("%") || input.includes("+");
  for (let n = 0; n < pairs.length; n++) {
    const pair = pairs[n], i = pair.indexOf("=");
    if (i >= 0) list.push(pair.slice(0, i), pair.slice(i + 1));
    else if (pair !== "") list.push(pair, "");
  }
  if (isEncoded) for (let n = 0; n < list.length; n++) list[n] = decode(list[n].replaceAll("+", " "));
  return list;
};

const formatForm = (list) => {
  let s = "";
  for (let i = 0; i < list.length; i += 2) s += (i === 0 ? "" : "&") + encode(list[i]) + "=" + encode(list[i + 1]);
  return s;
};

const fromObject = (init) => {
  const list = [];
  const iterator = init[Symbol.iterator];
  if (iterator !== undefined && iterator !== null) {
    if (typeof iterator !== "function") throw new TypeError("URLSearchParams: the object's iterator is not a function");
    for (const pair of init) {
      if ((typeof pair !== "object" && typeof pair !== "function") || pair === null) throw new TypeError("URLSearchParams: each entry must be a pair of a name and a value");
      const items = [...pair];
      if (items.length !== 2) throw new TypeError("URLSearchParams: each entry must be a pair of a name and a value");
      list.push(text(items[0]), text(items[1]));
    }
    return list;
  }
  const seen = new Map();
  for (const key of Reflect.ownKeys(init)) {
    if (!Object.getOwnPropertyDescriptor(init, key)?.enumerable) continue;
    if (typeof key === "symbol") throw new TypeError("URLSearchParams: a name cannot be a symbol");
    seen.set(text(key), text(init[key]));
  }
  for (const [k, v] of seen) list.push(k, v);
  return list;
};

// bind makes params of a URL's query; rebind gives them another. observe says what is
// called with the URL and its new query after a change.
export let bind, rebind;
let pairAt, changed;
export const observe = (f) => { changed = f; };

const LATER = {}; // tells the constructor that it makes what bind was asked for
let boundQuery, boundOwner;

// What URLSearchParams are made of. QUERY is a flat list of names and values or, until
// that is needed, the text; OWNER is the URL, if they are one's.
const QUERY = 0, OWNER = 1;

export class URLSearchParams {
  #s; // one field alone: each costs as much as the rest of an object

  constructor(init = undefined) {
    if (init === LATER) {
      this.#s = [boundQuery, boundOwner];
    } else if (init === undefined) {
      this.#s = [[], undefined];
    } else if (typeof init === "object" && init !== null || typeof init === "function") {
      this.#s = [fromObject(init), undefined];
    } else {
      const s = text(init);
      this.#s = [s[0] === "?" ? s.slice(1) : s, undefined];
    }
  }

  static {
    bind = (query, owner) => {
      boundQuery = query;
      boundOwner = owner;
      const p = new URLSearchParams(LATER);
      boundOwner = undefined;
      return p;
    };
    rebind = (p, query) => { p.#s[QUERY] = query; };
    pairAt = (p, i) => {
      const list = p.#list;
      return 2 * i < list.length ? [list[2 * i], list[2 * i + 1]] : undefined;
    };
  }

  get #list() { const s = this.#s; return typeof s[QUERY] === "string" ? s[QUERY] = parseForm(s[QUERY]) : s[QUERY]; }

  #update() { const s = this.#s; if (s[OWNER] !== undefined) changed(s[OWNER], formatForm(s[QUERY])); }

  get size() { return this.#list.length / 2; }

  append(name, value) {
    const list = this.#list;
    need(arguments.length, 2, "URLSearchParams.append");
    name = text(name);
    list.push(name, text(value));
    this.#update();
  }

  delete(name, value = undefined) {
    const list = this.#list;
    need(arguments.length, 1, "URLSearchParams.delete");
    name = text(name);
    if (value !== undefined) value = text(value);
    for (let i = 0; i < list.length;) {
      if (list[i] === name && (value === undefined || list[i + 1] === value)) list.splice(i, 2);
      else i += 2;
    }
    this.#update();
  }

  get(name) {
    if (typeof name !== "string") name = `${name}`; // arguments are not counted: that alone costs a microsecond
    const query = this.#s[QUERY];
    if (typeof query === "string") {
      const value = edge.query_get(query, name); // mostly one is wanted of few
      if (value !== undefined) return value;
    }
    name = text(name);
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
    return null;
  }

  getAll(name) {
    const list = this.#list, out = [];
    need(arguments.length, 1, "URLSearchParams.getAll");
    name = text(name);
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) out.push(list[i + 1]);
    return out;
  }

  has(name, value = undefined) {
    const list = this.#list;
    need(arguments.length, 1, "URLSearchParams.has");
    name = text(name);
    if (value !== undefined) value = text(value);
    for (let i = 0; i < list.length; i += 2) if (list[i] === name && (value === undefined || list[i + 1] === value)) return true;
    return false;
  }

  set(name, value) {
    const list = this.#list;
    need(arguments.length, 2, "URLSearchParams.set");
    name = text(name);
    value = text(value);
    let found = false;
    for (let i = 0; i < list.length;) {
      if (list[i] !== name) { i += 2; continue; }
      if (found) { list.splice(i, 2); continue; }
      list[i + 1] = value;
      found = true;
      i += 2;
    }
    if (!found) list.push(name, value);
    this.#update();
  }

  sort() {
    const list = this.#list, pairs = [];
    for (let i = 0; i < list.length; i += 2) pairs.push([list[i], list[i + 1]]);
    pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    list.splice(0, list.length, ...pairs.flat());
    this.#update();
  }

  toString() { return formatForm(this.#list); }
}

expose(URLSearchParams);
iterators(URLSearchParams, pairAt);
