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

const COOKIE = "set-cookie";
const secret = Symbol();
let incoming, adopt, freeze, blockOf, pairAt, isPlain;

// What the edge writes by itself: a Worker's is dropped, as where Workers come from.
const framing = new Set(["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);

export class Headers {
  #req = 0; // the request whose own they are, until all of them are wanted
  #map; // name in lower case -> value, or the list of its values
  #frozen = false;
  #sorted; // [name, value] in order, until something changes
  constructor(init = undefined) {
    if (init === secret) return;
    this.#map = new Map();
    if (init !== undefined) this.#fill(init);
  }
  #fill(init) {
    if (typeof init !== "object" && typeof init !== "function" || init === null) throw new TypeError("Headers are made of Headers, a list of pairs or an object");
    if (#map in init && init[Symbol.iterator] === iterate) {
      for (const [k, v] of init.#all()) this.#map.set(k, typeof v === "string" ? v : v.slice());
    } else if (typeof init[Symbol.iterator] === "function") {
      for (const pair of init) {
        if (typeof pair !== "object" || pair === null || typeof pair[Symbol.iterator] !== "function") throw new TypeError("each header of a list must be a pair of name and value");
        const p = Array.isArray(pair) ? pair : [...pair];
        if (p.length !== 2) throw new TypeError("each header of a list must be a pair of name and value");
        this.#add(nameOf(p[0]), valueOf(p[1]));
      }
    } else if (init[Symbol.iterator] !== undefined && init[Symbol.iterator] !== null) {
      throw new TypeError("Headers: what was given cannot be iterated");
    } else {
      for (const k of Reflect.ownKeys(init)) {
        if (!Object.prototype.propertyIsEnumerable.call(init, k)) continue;
        if (typeof k === "symbol") throw new TypeError("a header's name cannot be a symbol");
        this.#add(nameOf(k), valueOf(init[k]));
      }
    }
  }
  #all() {
    if (this.#map === undefined) {
      const all = check(edge.req_headers(this.#req), this.#req);
      this.#map = new Map();
      if (all !== "") {
        const l = all.split("\0");
        for (let i = 0; i + 1 < l.length; i += 2) this.#add(l[i].toLowerCase(), l[i + 1]);
      }
    }
    return this.#map;
  }
  #add(k, v) {
    const old = this.#map.get(k);
    if (old === undefined) this.#map.set(k, v);
    else if (typeof old === "string") this.#map.set(k, [old, v]);
    else old.push(v);
    this.#sorted = undefined;
  }
  #guard() {
    if (this.#frozen) throw new TypeError("Can't modify immutable headers. Make a copy first: new Request(request) or new Response(response.body, response)");
  }
  append(name, value) {
    need(arguments.length, 2, "Headers.append");
    const k = nameOf(name), v = valueOf(value);
    this.#guard();
    this.#all();
    this.#add(k, v);
  }
  delete(name) {
    need(arguments.length, 1, "Headers.delete");
    const k = nameOf(name);
    this.#guard();
    if (this.#all().delete(k)) this.#sorted = undefined;
  }
  get(name) {
    need(arguments.length, 1, "Headers.get");
    const k = nameOf(name);
    if (this.#map === undefined) {
      const v = edge.req_header(this.#req, k);
      if (typeof v === "string") return v.includes("\0") ? v.replaceAll("\0", ", ") : v;
      return v === -2 ? null : check(v, this.#req);
    }
    const v = this.#map.get(k);
    return v === undefined ? null : typeof v === "string" ? v : v.join(", ");
  }
  getSetCookie() {
    const v = this.#all().get(COOKIE);
    return v === undefined ? [] : typeof v === "string" ? [v] : v.slice();
  }
  has(name) {
    need(arguments.length, 1, "Headers.has");
    const k = nameOf(name);
    if (this.#map !== undefined) return this.#map.has(k);
    const v = edge.req_header(this.#req, k);
    return typeof v === "string" || v !== -2 && Boolean(check(v, this.#req));
  }
  set(name, value) {
    need(arguments.length, 2, "Headers.set");
    const k = nameOf(name), v = valueOf(value);
    this.#guard();
    this.#all().set(k, v);
    this.#sorted = undefined;
  }
  // getAll is from before getSetCookie, and for Set-Cookie alone.
  getAll(name) {
    if (nameOf(name) !== COOKIE) throw new TypeError('getAll() is for "Set-Cookie" alone: use get()');
    return this.getSetCookie();
  }
  static {
    incoming = (req, frozen) => { const h = new Headers(secret); h.#req = req; h.#frozen = frozen; return h; };
    adopt = (pairs) => {
      const h = new Headers(secret);
      h.#map = new Map();
      for (const [name, value] of pairs) h.#add(name.toLowerCase(), value);
      return h;
    };
    freeze = (h) => { h.#frozen = true; return h; };
    blockOf = (h, all) => {
      let s = "";
      for (const [k, v] of h.#all()) {
        if (!all && framing.has(k)) continue;
        if (typeof v === "string") s += k + "\0" + v + "\0";
        else if (k === COOKIE) for (const one of v) s += k + "\0" + one + "\0";
        else s += k + "\0" + v.join(", ") + "\0";
      }
      return s;
    };
    pairAt = (h, i) => {
      if (h.#sorted === undefined) {
        const list = [], all = h.#all();
        for (const k of [...all.keys()].sort()) {
          const v = all.get(k);
          if (typeof v === "string") list.push([k, v]);
          else if (k === COOKIE) for (const one of v) list.push([k, one]);
          else list.push([k, v.join(", ")]);
        }
        h.#sorted = list;
      }
      return h.#sorted[i];
    };
  }
}
expose(Headers);
iterators(Headers, (h, i) => pairAt(h, i));
const iterate = Headers.prototype[Symbol.iterator];

// ofRequest is a request's own headers, which cannot be changed.
export const ofRequest = (req) => incoming(req, true);

// changeableOfRequest is a copy of them that can be; it is made when there is need.
export const changeableOfRequest = (req) => incoming(req, false);

// ofPairs makes Headers of a list of [name, value] from the host.
export const ofPairs = (pairs) => adopt(pairs);

// immutable has every change of the headers fail from now on.
export const immutable = (h) => freeze(h);

// block is headers as they cross: name NUL value NUL ... without those that the edge
// writes by itself.
export const block = (h) => blockOf(h, false);

// fullBlock is block with all of them.
export const fullBlock = (h) => blockOf(h, true);
