import { edge } from "../core/edge.js";
import { check } from "../core/errors.js";

// block is headers as they cross: name NUL value NUL ...
export const block = (h) => { let s = ""; for (const [k, v] of h) s += k + "\0" + v + "\0"; return s; };

export class Headers {
  #req = 0; #map;
  constructor(init, req) {
    if (req) { this.#req = req; return; }
    this.#map = new Map();
    if (init === undefined) return;
    if (init instanceof Headers) for (const [k, v] of init.#m) this.#m.set(k, v);
    else if (Array.isArray(init)) for (const [k, v] of init) this.append(k, v);
    else if (init) for (const k of Object.keys(init)) this.append(k, init[k]);
  }
  get #m() { // the request's own are fetched when there is need of all
    if (this.#map === undefined) {
      this.#map = new Map();
      const l = check(edge.req_headers(this.#req)).split("\0");
      for (let i = 0; i < l.length; i += 2) this.append(l[i], l[i + 1]);
    }
    return this.#map;
  }
  get(k) {
    if (this.#map !== undefined) return this.#map.get(String(k).toLowerCase()) ?? null;
    const v = edge.req_header(this.#req, String(k));
    if (typeof v !== "number") return v.includes("\0") ? v.split("\0").join(", ") : v;
    return v === -2 ? null : check(v);
  }
  has(k) { return this.#m.has(String(k).toLowerCase()); }
  set(k, v) { this.#m.set(String(k).toLowerCase(), String(v)); }
  append(k, v) { k = String(k).toLowerCase(); this.#m.set(k, this.#m.has(k) ? this.#m.get(k) + ", " + v : String(v)); }
  delete(k) { this.#m.delete(String(k).toLowerCase()); }
  forEach(f) { for (const [k, v] of this.#m) f(v, k, this); }
  entries() { return this.#m.entries(); }
  keys() { return this.#m.keys(); }
  [Symbol.iterator]() { return this.#m.entries(); }
}
