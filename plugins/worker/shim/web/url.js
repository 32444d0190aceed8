// URL (WHATWG URL standard, section 6.1).
//
// Most URLs are those of requests: http, a plain host, a path that needs no encoding.
// For them the constructor checks the origin alone, and the getters cut the text; all
// else, and each URL that is changed, is parsed into a record (url_record.js).

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

// What a path or query can have as it is, and without a fragment: mostly there are no
// percent signs, and one look is enough.
const sure = /^[!$&(-;=?-\[\]_a-z|~]*$/;
const odd = /[^!$-&(-;=?-\[\]_a-z|~]/;
const dots = /\/%2e/i;

let known = "\n"; // the origin that was last found to be plain: mostly it is the same

// plain returns where the path begins if the URL's origin is plain, or else 0.
const plain = (url) => {
  if (url.startsWith(known) && url.charCodeAt(known.length) === SLASH) return known.length;
  const slash = url.indexOf("/", 8);
  if (slash < 0) return 0;
  const origin = url.slice(0, slash);
  if (!plainOrigin.test(origin) || otherwise.test(origin)) return 0;
  known = origin;
  return slash;
};

const SLASH = 47;
const NONE = -1;

// plainRecord is the record of a URL that is as the parser would write it; null if it
// may not be.
const plainRecord = (url) => {
  const at = plain(url), rest = url.slice(at);
  if (at === 0 || rest.includes("/.") || !sure.test(rest)) return null;
  const [scheme, , authority] = url.slice(0, at).split("/"), [host, number] = authority.split(":");
  const mark = rest.indexOf("?"), pathname = mark < 0 ? rest : rest.slice(0, mark);
  return {
    scheme: scheme.slice(0, -1), username: "", password: "", host, port: number === undefined ? null : Number(number),
    path: pathname.slice(1).split("/"), query: mark < 0 ? null : rest.slice(mark + 1), fragment: null,
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

export class URL {
  // Few fields, and none with a value from the start: each costs a microsecond.
  #href;  // as given or, when there is a record, as that is written, if it was
  #path;  // where the path begins in href; 0: there is a record
  #query; // where the question mark is in href, once that was looked at
  #more;  // {record, params}

  constructor(url, base = undefined) {
    if (base === undefined && typeof url === "string" && (this.#path = plain(url)) > 0) { this.#href = url; return; }
    url = text(url);
    const record = parse(url, base);
    if (record === null) throw invalid(url);
    this.#path = 0;
    this.#more = { record, params: null };
  }

  static {
    observe((url, query) => {
      url.#record.query = query === "" ? null : query;
      url.#href = undefined;
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

  // #isPlain looks at what the constructor did not.
  #isPlain() {
    if (this.#path === 0) return false;
    if (this.#query !== undefined) return true;
    const rest = this.#href.slice(this.#path);
    if (rest.includes("/.") || !sure.test(rest) && (odd.test(rest) || dots.test(rest))) { void this.#record; return false; }
    const mark = rest.indexOf("?");
    this.#query = mark < 0 ? NONE : this.#path + mark;
    return true;
  }

  get #record() {
    if (this.#path > 0) {
      this.#more = { record: records.parse(this.#href.toWellFormed(), null), params: this.#more?.params ?? null };
      this.#path = 0;
      this.#href = undefined;
    }
    return this.#more.record;
  }

  // #set changes the record.
  #set(change, value) {
    value = text(value);
    change(this.#record, value);
    this.#href = undefined;
  }

  #requery() {
    const { params } = this.#more;
    if (params !== null) rebind(params, this.#more.record.query ?? "");
  }

  get href() {
    if (this.#isPlain()) return this.#href;
    return this.#href ??= records.format(this.#record);
  }

  set href(value) {
    value = text(value);
    const record = records.parse(value, null);
    if (record === null) throw invalid(value);
    this.#more = { record, params: this.#more?.params ?? null };
    this.#path = 0;
    this.#href = undefined;
    this.#requery();
  }

  get origin() {
    if (this.#path > 0) return this.#href.slice(0, this.#path);
    const u = this.#record;
    if (u.scheme === "blob") {
      const inner = URL.parse(records.pathOf(u));
      return inner !== null && /^https?:$/.test(inner.protocol) ? inner.origin : "null";
    }
    return records.isSpecial(u.scheme) && u.scheme !== "file" ? `${u.scheme}://${this.host}` : "null";
  }

  get protocol() { return this.#path > 0 ? this.#href.slice(0, this.#href.indexOf(":") + 1) : this.#record.scheme + ":"; }
  set protocol(value) { this.#set(records.setProtocol, value); }
  get username() { return this.#path > 0 ? "" : this.#record.username; }
  set username(value) { this.#set(records.setUsername, value); }
  get password() { return this.#path > 0 ? "" : this.#record.password; }
  set password(value) { this.#set(records.setPassword, value); }

  get host() {
    if (this.#path > 0) return this.#href.slice(this.#href.indexOf("/") + 2, this.#path);
    const u = this.#record;
    return u.host === null ? "" : u.port === null ? u.host : `${u.host}:${u.port}`;
  }
  set host(value) { this.#set(records.setHost, value); }

  get hostname() {
    if (this.#path === 0) return this.#record.host ?? "";
    const host = this.host, colon = host.indexOf(":");
    return colon < 0 ? host : host.slice(0, colon);
  }
  set hostname(value) { this.#set((u, v) => records.setHost(u, v, true), value); }

  get port() {
    if (this.#path === 0) return this.#record.port === null ? "" : String(this.#record.port);
    const host = this.host, colon = host.indexOf(":");
    return colon < 0 ? "" : host.slice(colon + 1);
  }
  set port(value) { this.#set(records.setPort, value); }

  get pathname() {
    if (!this.#isPlain()) return records.pathOf(this.#record);
    return this.#query === NONE ? this.#href.slice(this.#path) : this.#href.slice(this.#path, this.#query);
  }
  set pathname(value) { this.#set(records.setPath, value); }

  get search() {
    if (this.#isPlain()) {
      const q = this.#query;
      return q === NONE || q === this.#href.length - 1 ? "" : this.#href.slice(q);
    }
    const { query } = this.#record;
    return query === null || query === "" ? "" : "?" + query;
  }
  set search(value) {
    this.#set(records.setSearch, value);
    this.#requery();
  }

  get searchParams() {
    const more = this.#more ??= { record: null, params: null };
    if (more.params !== null) return more.params;
    if (!this.#isPlain()) return more.params = bind(this.#record.query ?? "", this);
    return more.params = bind(this.#query === NONE ? "" : this.#href.slice(this.#query + 1), this);
  }

  get hash() {
    if (this.#isPlain()) return "";
    const { fragment } = this.#record;
    return fragment === null || fragment === "" ? "" : "#" + fragment;
  }
  set hash(value) { this.#set(records.setHash, value); }

  toString() { return this.href; }
  toJSON() { return this.href; }
}

expose(URL);
