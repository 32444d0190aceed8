// What URLPattern is made of and matched with: its components, from a text or an
// object, with a base (WHATWG URL pattern standard, sections 1.6, 4 and 5).

import * as records from "./url_record.js";
import { parseHost } from "./url_host.js";
import { compile, escapePattern, parse, tokenize } from "./urlpattern_parts.js";

export const components = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];

const wrong = (what, value) => { throw new TypeError(`${value} is not valid as the ${what} of a URL pattern`); };
const dummy = (scheme = "https") => records.parse(`${scheme}://dummy.invalid/`, null);

// canonical has for each component the function that writes it as URLs do.
export const canonical = {
  protocol(v) {
    if (v === "") return v;
    return (records.parse(`${v}://dummy.invalid`, null) ?? wrong("protocol", v)).scheme;
  },
  username(v) { const u = dummy(); records.setUsername(u, v); return u.username; },
  password(v) { const u = dummy(); records.setPassword(u, v); return u.password; },
  hostname(v) {
    if (v === "") return v;
    if (/[/?#\\:@]/.test(v) && v[0] !== "[") wrong("hostname", v);
    return parseHost(v.replace(/[\t\n\r]+/g, ""), true) ?? wrong("hostname", v);
  },
  address(v) { // of IPv6, of which a pattern may have a part
    if (/[^0-9a-fA-F[\]:]/.test(v)) wrong("hostname", v);
    return v.toLowerCase();
  },
  port(v, scheme) {
    if (v === "") return v;
    if (!/^[0-9]+$/.test(v) || Number(v) > 65535) wrong("port", v);
    const u = dummy(scheme === undefined || scheme === "" ? "dummy" : scheme);
    if (u === null) return String(Number(v));
    if (u.scheme === "file") u.scheme = "dummy";
    records.setPort(u, v);
    return u.port === null ? "" : String(u.port);
  },
  pathname(v) {
    if (v === "") return v;
    const isAbsolute = v[0] === "/", u = dummy();
    records.setPath(u, isAbsolute ? v : "/-" + v); // so that two dots do not become the root
    const path = records.pathOf(u);
    return isAbsolute ? path : path.slice(2);
  },
  opaque(v) {
    if (v === "") return v;
    return records.pathOf(records.parse("data:" + v.replace(/[?#]/g, encodeURIComponent), null));
  },
  search(v) { const u = dummy(); records.setSearch(u, v); return v === "" ? "" : u.query; },
  hash(v) { const u = dummy(); records.setHash(u, v); return v === "" ? "" : u.fragment; },
};

const isAbsolutePath = (v, isPattern) => v[0] === "/" || (isPattern && (v.startsWith("\\/") || v.startsWith("{/")));

// inherit takes from the base what the object does not say, and nothing less general.
const inherit = (out, init, base, isPattern) => {
  const lacks = (...names) => names.every((n) => init[n] === undefined);
  const text = (v) => (isPattern ? escapePattern(v) : v);
  if (lacks("protocol")) out.protocol = text(base.scheme);
  if (!isPattern && lacks("protocol", "hostname", "port", "username")) out.username = base.username;
  if (!isPattern && lacks("protocol", "hostname", "port", "username", "password")) out.password = base.password;
  if (lacks("protocol", "hostname")) out.hostname = text(base.host ?? "");
  if (lacks("protocol", "hostname", "port")) out.port = base.port === null ? "" : String(base.port);
  if (lacks("protocol", "hostname", "port", "pathname")) out.pathname = text(records.pathOf(base));
  if (lacks("protocol", "hostname", "port", "pathname", "search")) out.search = text(base.query ?? "");
  if (lacks("protocol", "hostname", "port", "pathname", "search", "hash")) out.hash = text(base.fragment ?? "");
};

// process makes the components of an object: of a pattern as they are, of a URL as
// URLs have them. defaults are what they are if nothing says otherwise.
export const process = (init, isPattern, defaults) => {
  const out = { ...defaults };
  let base = null;
  if (init.baseURL !== undefined) {
    base = records.parse(String(init.baseURL), null);
    if (base === null) throw new TypeError(`the base ${init.baseURL} is not a URL`);
    inherit(out, init, base, isPattern);
  }
  for (const name of components) {
    if (init[name] === undefined) continue;
    let v = `${init[name]}`.toWellFormed();
    if (name === "protocol" && v.endsWith(":")) v = v.slice(0, -1);
    if (name === "search" && v[0] === "?" || name === "hash" && v[0] === "#") v = v.slice(1);
    if (name === "pathname" && base !== null && typeof base.path !== "string" && !isAbsolutePath(v, isPattern)) {
      const path = records.pathOf(base), dir = path.slice(0, path.lastIndexOf("/") + 1);
      v = (isPattern ? escapePattern(dir) : dir) + v;
    }
    if (!isPattern) {
      const opaque = name === "pathname" && out.protocol !== undefined && out.protocol !== "" && !records.isSpecial(out.protocol);
      v = opaque ? canonical.opaque(v) : canonical[name](v, out.protocol);
    }
    out[name] = v;
  }
  return out;
};

// special tells whether a pattern of protocols matches http or another of that kind.
export const matchesSpecial = (regexp) => ["http", "https", "ws", "wss", "ftp", "file"].some((s) => regexp.test(s));

const order = { init: 0, protocol: 1, authority: 2, username: 3, password: 4, hostname: 5, port: 6, pathname: 7, search: 8, hash: 9, done: 10 };

// A Cutter finds the components in a pattern that is written like a URL.
class Cutter {
  #tokens; #input; #state = "init"; #at = 0; #start = 0; #step = 1; #special = false;
  result = {};

  constructor(input) {
    this.#input = input;
    this.#tokens = tokenize(input, true);
  }

  #is(at, value) {
    const t = this.#tokens[at];
    return t !== undefined && t.value === value && (t.type === "char" || t.type === "escaped" || t.type === "invalid");
  }
  #isSearch() {
    if (this.#is(this.#at, "?")) return true;
    if (this.#tokens[this.#at].value !== "?") return false;
    return !["name", "regexp", "close", "asterisk"].includes(this.#tokens[this.#at - 1]?.type);
  }
  #text() { return this.#input.slice(this.#tokens[this.#start].at, this.#tokens[this.#at].at); }

  #go(state, skip) {
    const from = this.#state, r = this.result;
    if (!["init", "authority", "done"].includes(from)) r[from] = this.#text();
    if (from !== "init" && state !== "done") {
      const was = order[from], is = order[state];
      if (was <= order.password && is >= order.port) r.hostname ??= "";
      if (was <= order.port && is >= order.search) r.pathname ??= this.#special ? "/" : "";
      if (was <= order.pathname && is === order.hash) r.search ??= "";
    }
    this.#state = state;
    this.#at += skip;
    this.#start = this.#at;
    this.#step = 0;
  }
  #back(state) {
    this.#at = this.#start;
    this.#step = 0;
    this.#state = state;
  }

  // #tail goes on to what may follow here.
  #tail() {
    if (this.#state !== "pathname" && this.#state !== "search" && this.#is(this.#at, "/")) this.#go("pathname", 0);
    else if (this.#state !== "search" && this.#isSearch()) this.#go("search", 1);
    else if (this.#is(this.#at, "#")) this.#go("hash", 1);
  }

  #protocol() {
    if (!this.#is(this.#at, ":")) return;
    const options = { delimiter: "", prefix: "" };
    this.#special = matchesSpecial(compile(parse(this.#text(), options, canonical.protocol), options, false).regexp);
    const slashes = this.#is(this.#at + 1, "/") && this.#is(this.#at + 2, "/");
    this.#go(slashes || this.#special ? "authority" : "pathname", slashes ? 3 : 1);
  }

  cut() {
    let depth = 0, brackets = 0;
    for (; this.#at < this.#tokens.length; this.#at += this.#step) {
      this.#step = 1;
      const { type } = this.#tokens[this.#at];
      const here = (c) => this.#is(this.#at, c);
      if (type === "end") {
        if (this.#state === "init") {
          this.#back("init");
          if (here("#")) this.#go("hash", 1);
          else if (this.#isSearch()) this.#go("search", 1);
          else this.#go("pathname", 0);
          continue;
        }
        if (this.#state === "authority") { this.#back("hostname"); continue; }
        this.#go("done", 0);
        break;
      }
      if (type === "open") { depth++; continue; }
      if (depth > 0) {
        if (type !== "close") continue;
        depth--;
      }
      switch (this.#state) {
        case "init": if (here(":")) this.#back("protocol"); break;
        case "protocol": this.#protocol(); break;
        case "authority":
          if (here("@")) this.#back("username");
          else if (here("/") || this.#isSearch() || here("#")) this.#back("hostname");
          break;
        case "username":
          if (here(":")) this.#go("password", 1);
          else if (here("@")) this.#go("hostname", 1);
          break;
        case "password": if (here("@")) this.#go("hostname", 1); break;
        case "hostname":
          if (here("[")) brackets++;
          else if (here("]")) brackets--;
          else if (here(":") && brackets === 0) this.#go("port", 1);
          else this.#tail();
          break;
        case "hash": break;
        default: this.#tail();
      }
    }
    if (this.result.hostname !== undefined) this.result.port ??= "";
    return this.result;
  }
}

export const cut = (input) => new Cutter(input).cut();
