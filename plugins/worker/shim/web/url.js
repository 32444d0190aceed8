// URL (WHATWG URL standard, section 6.1).
//
// Most URLs are those of requests: http, a plain host, a path that needs no encoding.
// For them the constructor looks whether the parser would write them as they are, and
// the getters cut the text; all else, and each URL that is changed, is parsed into a
// record (url_record.js).

import { edge } from "../core/edge.js";
import { expose, need } from "./idl.js";
import { bind, observe, rebind, URLSearchParams } from "./url_search_params.js";
import * as records from "./url_record.js";

export { URLSearchParams };

const text = (v) => `${v}`.toWellFormed();

// An origin that is already as the parser would write it. The last label of a name
// begins with a letter, or the name could be an address in another notation.
const byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const port = "(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?";
const plainOrigin = new RegExp(`^https?://(?:(?:[a-z0-9_-]+\\.)*[a-z][a-z0-9-]*|${byte}(?:\\.${byte}){3})${port}$`);
const otherwise = /^http:.*:80$|^https:.*:443$|xn--/;

let known = "\n"; // the origin that was last found to be plain: mostly it is the same

// isPlain tells whether a URL's origin is plain, and remembers it.
const isPlain = (url) => {
  const slash = url.indexOf("/", 8);
  if (slash < 0) return false;
  const origin = url.slice(0, slash);
  if (!plainOrigin.test(origin) || otherwise.test(origin)) return false;
  known = origin;
  return true;
};

const NONE = -1, STRANGE = -2; // of url_scan: there is no query; the URL has to be parsed

// scan returns where the question mark of a URL is that the parser would write as it
// is, or NONE; STRANGE for any other. Its origin is known then.
const scan = (url) => {
  const mark = edge.url_scan(url, known);
  return mark === STRANGE && isPlain(url) ? edge.url_scan(url, known) : mark;
};

// plainRecord is the record of a URL that is as the parser would write it; null if it
// may not be.
const plainRecord = (url) => {
  const mark = scan(url);
  if (mark === STRANGE || url.includes("%")) return null;
  const [scheme, , authority] = known.split("/"), [host, number] = authority.split(":");
  return {
    scheme: scheme.slice(0, -1), username: "", password: "", host, port: number === undefined ? null : Number(number),
    path: url.slice(known.length + 1, mark === NONE ? url.length : mark).split("/"), query: mark === NONE ? null : url.slice(mark + 1), fragment: null,
  };
};

const parse = (url, base) => {
  if (base === undefined) return records.parse(url, null);
  base = text(base);
  const b = plainRecord(base) ?? records.parse(base, null);
  return b === null ? null : records.parse(url, b);
};

const invalid = (url) => {
  const e = new TypeError("Invalid URL");
  e.code = "ERR_INVALID_URL";
  e.input = url;
  return e;
};

// What a URL is made of; a list, since that is the cheapest to make. HREF is the text,
// or undefined if it has to be written. As long as that is as it was given, PATH is
// where the path begins and MARK where the query does, or NONE; then PATH is 0, and
// there is a RECORD. PARAMS are made when they are asked for.
const HREF = 0, PATH = 1, MARK = 2, PARAMS = 3, RECORD = 4;

// recordOf has the URL be a record from now on.
const recordOf = (s) => {
  if (s[PATH] > 0) {
    s[RECORD] = records.parse(s[HREF], null);
    s[PATH] = 0;
    s[HREF] = undefined;
  }
  return s[RECORD];
};

// change changes the record.
const change = (s, f, value) => {
  value = text(value);
  f(recordOf(s), value);
  s[HREF] = undefined;
};

const requery = (s) => { if (s[PARAMS] !== undefined) rebind(s[PARAMS], s[RECORD].query ?? ""); };

const hrefOf = (s) => s[HREF] ??= records.format(s[RECORD]);

export class URL {
  #s; // one field alone: each costs as much as the rest of an object

  constructor(url, base) {
    if (base === undefined && typeof url === "string") {
      const mark = scan(url);
      if (mark !== STRANGE) {
        this.#s = [url, known.length, mark, undefined, undefined];
        return;
      }
    }
    url = text(url);
    const record = parse(url, base);
    if (record === null) throw invalid(url);
    this.#s = [undefined, 0, NONE, undefined, record];
  }

  static {
    observe((url, query) => {
      const s = url.#s;
      recordOf(s).query = query === "" ? null : query;
      s[HREF] = undefined;
    });
  }

  static parse(url, base = undefined) {
    need(arguments.length, 1, "URL.parse");
    try { return new URL(url, base); } catch (e) { if (e.code !== "ERR_INVALID_URL") throw e; return null; }
  }

  static canParse(url, base = undefined) {
    need(arguments.length, 1, "URL.canParse");
    url = text(url);
    return parse(url, base) !== null;
  }

  get href() { return hrefOf(this.#s); }

  set href(value) {
    value = text(value);
    const record = records.parse(value, null), s = this.#s;
    if (record === null) throw invalid(value);
    s[RECORD] = record;
    s[PATH] = 0;
    s[HREF] = undefined;
    requery(s);
  }

  get origin() {
    const s = this.#s;
    if (s[PATH] > 0) return s[HREF].slice(0, s[PATH]);
    const u = s[RECORD];
    if (u.scheme === "blob") {
      const inner = URL.parse(records.pathOf(u));
      return inner !== null && /^https?:$/.test(inner.protocol) ? inner.origin : "null";
    }
    return records.isSpecial(u.scheme) && u.scheme !== "file" ? `${u.scheme}://${this.host}` : "null";
  }

  get protocol() { const s = this.#s; return s[PATH] > 0 ? s[HREF].slice(0, s[HREF].indexOf(":") + 1) : s[RECORD].scheme + ":"; }
  set protocol(value) { change(this.#s, records.setProtocol, value); }
  get username() { const s = this.#s; return s[PATH] > 0 ? "" : s[RECORD].username; }
  set username(value) { change(this.#s, records.setUsername, value); }
  get password() { const s = this.#s; return s[PATH] > 0 ? "" : s[RECORD].password; }
  set password(value) { change(this.#s, records.setPassword, value); }

  get host() {
    const s = this.#s;
    if (s[PATH] > 0) return s[HREF].slice(s[HREF].indexOf("/") + 2, s[PATH]);
    const u = s[RECORD];
    return u.host === null ? "" : u.port === null ? u.host : `${u.host}:${u.port}`;
  }
  set host(value) { change(this.#s, records.setHost, value); }

  get hostname() {
    const s = this.#s;
    if (s[PATH] === 0) return s[RECORD].host ?? "";
    const { host } = this, colon = host.indexOf(":");
    return colon < 0 ? host : host.slice(0, colon);
  }
  set hostname(value) { change(this.#s, (u, v) => records.setHost(u, v, true), value); }

  get port() {
    const s = this.#s;
    if (s[PATH] === 0) return s[RECORD].port === null ? "" : String(s[RECORD].port);
    const { host } = this, colon = host.indexOf(":");
    return colon < 0 ? "" : host.slice(colon + 1);
  }
  set port(value) { change(this.#s, records.setPort, value); }

  get pathname() {
    const s = this.#s;
    if (s[PATH] === 0) return records.pathOf(s[RECORD]);
    return s[MARK] === NONE ? s[HREF].slice(s[PATH]) : s[HREF].slice(s[PATH], s[MARK]);
  }
  set pathname(value) { change(this.#s, records.setPath, value); }

  get search() {
    const s = this.#s;
    if (s[PATH] > 0) return s[MARK] === NONE || s[MARK] === s[HREF].length - 1 ? "" : s[HREF].slice(s[MARK]);
    const { query } = s[RECORD];
    return query === null || query === "" ? "" : "?" + query;
  }
  set search(value) {
    const s = this.#s;
    change(s, records.setSearch, value);
    requery(s);
  }

  get searchParams() {
    const s = this.#s;
    if (s[PARAMS] !== undefined) return s[PARAMS];
    return s[PARAMS] = bind(s[PATH] === 0 ? s[RECORD].query ?? "" : s[MARK] === NONE ? "" : s[HREF].slice(s[MARK] + 1), this);
  }

  get hash() {
    const s = this.#s;
    if (s[PATH] > 0) return "";
    const { fragment } = s[RECORD];
    return fragment === null || fragment === "" ? "" : "#" + fragment;
  }
  set hash(value) { change(this.#s, records.setHash, value); }

  toString() { return hrefOf(this.#s); }
  toJSON() { return hrefOf(this.#s); }
}

Object.defineProperty(URL, "length", { value: 1, configurable: true }); // base is optional; its default would cost
expose(URL);
