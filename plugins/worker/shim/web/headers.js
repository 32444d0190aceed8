// Headers (Fetch Standard, section 5.1).
import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";
import { expose, iterators, need } from "./idl.js";

// An operation of JavaScript costs more than a look into a Map: what was found valid
// before is known. Both are emptied rather than to grow without bound.
const names = new Map(); // as written -> in lower case
const values = new Set();
const MOST = 512, LONG = 128;

const nameOf = (name) => {
  const known = names.get(name);
  if (known !== undefined) return known;
  const s = `${name}`;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(s)) throw new TypeError(`Invalid header name: ${JSON.stringify(s)}`);
  const lower = s.toLowerCase();
  if (names.size >= MOST) names.clear();
  if (s.length <= LONG) names.set(s, lower);
  return lower;
};

const valueOf = (value) => {
  if (values.has(value)) return value;
  let s = `${value}`;
  if (/^[\t\n\r ]|[\t\n\r ]$/.test(s)) s = s.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
  if (/[\0\n\r\u0100-\uffff]/.test(s)) throw new TypeError(`Invalid header value: ${JSON.stringify(s.slice(0, 100))}`);
  if (values.size >= MOST) values.clear();
  if (s.length <= LONG) values.add(s);
  return s;
};

const COOKIE = "set-cookie", TYPE = "content-type", ADDRESS = "cf-connecting-ip";
const secret = Symbol();
let stateOf;

// What the edge writes by itself: a Worker's is dropped, as where Workers come from.
const framing = new Set(["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);

const REMOTE_ADDRESS = 6;

// client is the client's IP address, "" if it is not known. Workers look for it in a
// header that clients can send, too: theirs is never believed.
const client = (req) => {
  const at = edge.req_get(req, REMOTE_ADDRESS);
  if (typeof at !== "string") return "";
  const ip = at.slice(0, Math.max(0, at.lastIndexOf(":")));
  return ip[0] === "[" ? ip.slice(1, -1) : ip;
};

// The state of Headers is {req, map, frozen, sorted}. req is the request whose own they
// are, until all of them are wanted; map has a value or the list of its values for each
// name in lower case; sorted is [name, value] in order, until something changes.

const all = (s) => {
  if (s.map === undefined) {
    const text = check(edge.req_headers(s.req), s.req);
    s.map = new Map();
    if (text !== "") {
      const l = text.split("\0");
      for (let i = 0; i + 1 < l.length; i += 2) add(s, l[i].toLowerCase(), l[i + 1]);
    }
    const address = client(s.req);
    if (address !== "") s.map.set(ADDRESS, address);
    else s.map.delete(ADDRESS);
  }
  return s.map;
};

const add = (s, k, v) => {
  const old = s.map.get(k);
  if (old === undefined) s.map.set(k, v);
  else if (typeof old === "string") s.map.set(k, [old, v]);
  else old.push(v);
  s.sorted = undefined;
};

const fill = (s, init) => {
  if (typeof init !== "object" && typeof init !== "function" || init === null) throw new TypeError("Headers are made of Headers, a list of pairs or an object");
  const other = stateOf(init);
  if (other !== undefined && init[Symbol.iterator] === iterate) {
    all(other).forEach((v, k) => { s.map.set(k, typeof v === "string" ? v : v.slice()); });
  } else if (typeof init[Symbol.iterator] === "function") {
    for (const pair of init) {
      if (typeof pair !== "object" || pair === null || typeof pair[Symbol.iterator] !== "function") throw new TypeError("each header of a list must be a pair of name and value");
      const p = Array.isArray(pair) ? pair : [...pair];
      if (p.length !== 2) throw new TypeError("each header of a list must be a pair of name and value");
      add(s, nameOf(p[0]), valueOf(p[1]));
    }
  } else if (init[Symbol.iterator] !== undefined && init[Symbol.iterator] !== null) {
    throw new TypeError("Headers: what was given cannot be iterated");
  } else {
    const keys = Object.keys(init), symbols = Object.getOwnPropertySymbols(init);
    for (let i = 0; i < keys.length; i++) add(s, nameOf(keys[i]), valueOf(init[keys[i]]));
    for (let i = 0; i < symbols.length; i++) if (Object.getOwnPropertyDescriptor(init, symbols[i])?.enumerable) throw new TypeError("a header's name cannot be a symbol");
  }
};

const guard = (s) => {
  if (s.frozen) throw new TypeError("Can't modify immutable headers. Make a copy first: new Request(request) or new Response(response.body, response)");
};

export class Headers {
  // One private field alone, without an initializer: both cost the engine as much as the
  // rest of an object.
  #s;
  constructor(init, state) { // without a default, which costs half a microsecond
    if (init === secret) {
      this.#s = state;
      return;
    }
    const s = this.#s = { req: 0, map: new Map(), frozen: false, sorted: undefined };
    if (init !== undefined) fill(s, init);
  }
  append(name, value) {
    need(arguments.length, 2, "Headers.append");
    const k = nameOf(name), v = valueOf(value), s = this.#s;
    guard(s);
    all(s);
    add(s, k, v);
  }
  delete(name) {
    need(arguments.length, 1, "Headers.delete");
    const k = nameOf(name), s = this.#s;
    guard(s);
    if (all(s).delete(k)) s.sorted = undefined;
  }
  get(name) {
    if (arguments.length < 1) need(0, 1, "Headers.get");
    const k = nameOf(name), s = this.#s;
    if (s.map === undefined) {
      if (k === ADDRESS) return client(s.req) || null;
      const v = edge.req_header(s.req, k);
      if (typeof v === "string") return v.includes("\0") ? v.replaceAll("\0", ", ") : v;
      return v === -2 ? null : check(v, s.req);
    }
    const v = s.map.get(k);
    return v === undefined ? null : typeof v === "string" ? v : v.join(", ");
  }
  getSetCookie() {
    const v = all(this.#s).get(COOKIE);
    return v === undefined ? [] : typeof v === "string" ? [v] : v.slice();
  }
  has(name) {
    need(arguments.length, 1, "Headers.has");
    const k = nameOf(name), s = this.#s;
    if (s.map !== undefined) return s.map.has(k);
    if (k === ADDRESS) return client(s.req) !== "";
    const v = edge.req_header(s.req, k);
    return typeof v === "string" || v !== -2 && Boolean(check(v, s.req));
  }
  set(name, value) {
    need(arguments.length, 2, "Headers.set");
    const k = nameOf(name), v = valueOf(value), s = this.#s;
    guard(s);
    all(s).set(k, v);
    s.sorted = undefined;
  }
  // getAll is from before getSetCookie, and for Set-Cookie alone.
  getAll(name) {
    if (nameOf(name) !== COOKIE) throw new TypeError('getAll() is for "Set-Cookie" alone: use get()');
    return this.getSetCookie();
  }
  static {
    stateOf = (h) => #s in h ? h.#s : undefined;
  }
}
Object.defineProperty(Headers, "length", { value: 0, configurable: true }); // init is optional
expose(Headers);
iterators(Headers, (h, i) => {
  const s = stateOf(h);
  if (s === undefined) throw new TypeError("this is for Headers");
  if (s.sorted === undefined) {
    const list = [], map = all(s);
    for (const k of [...map.keys()].sort()) {
      const v = map.get(k);
      if (typeof v === "string") list.push([k, v]);
      else if (k === COOKIE) for (const one of v) list.push([k, one]);
      else list.push([k, v.join(", ")]);
    }
    s.sorted = list;
  }
  return s.sorted[i];
});
const iterate = Headers.prototype[Symbol.iterator];

// ofRequest is a request's own headers, which cannot be changed.
export const ofRequest = (req) => new Headers(secret, { req, map: undefined, frozen: true, sorted: undefined });

// changeableOfRequest is a copy of them that can be; it is made when there is need.
export const changeableOfRequest = (req) => new Headers(secret, { req, map: undefined, frozen: false, sorted: undefined });

// ofPairs makes Headers of a list of [name, value] from the host.
export const ofPairs = (pairs) => {
  const h = new Headers(), s = stateOf(h);
  for (const [name, value] of pairs) add(s, name.toLowerCase(), value);
  return h;
};

// immutable has every change of the headers fail from now on.
export const immutable = (h) => { stateOf(h).frozen = true; return h; };

// withType adds a Content-Type to headers that have none and may be changed.
export const withType = (h, type) => {
  const s = stateOf(h), map = all(s);
  if (map.has(TYPE)) return;
  map.set(TYPE, type);
  s.sorted = undefined;
};

// block is headers as they cross: name NUL value NUL ... without those that the edge
// writes by itself. They are gathered by one function for all: to iterate over a Map costs
// five times as much.
export const block = (h) => {
  text = "";
  all(stateOf(h)).forEach(gather);
  return text;
};
let text;
const gather = (v, k) => {
  if (framing.has(k)) return;
  if (typeof v === "string") text += k + "\0" + v + "\0";
  else if (k === COOKIE) for (const one of v) text += k + "\0" + one + "\0";
  else text += k + "\0" + v.join(", ") + "\0";
};
