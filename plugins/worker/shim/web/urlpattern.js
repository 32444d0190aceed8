// URLPattern (WHATWG URL pattern standard, section 1).

import { expose } from "./idl.js";
import * as records from "./url_record.js";
import { canonical, components, cut, matchesSpecial, process } from "./urlpattern_init.js";
import { compile, parse, REGEXP, write } from "./urlpattern_parts.js";

const plain = { delimiter: "", prefix: "" };
const defaultPorts = { __proto__: null, http: "80", https: "443", ws: "80", wss: "443", ftp: "21" };

const isAddress = (v) => /^(?:\[|\{\[|\\\[)/.test(v);

// component compiles one pattern.
const component = (pattern, options, encode, ignoreCase) => {
  const parts = parse(pattern, options, encode);
  const { regexp, names } = compile(parts, options, ignoreCase), text = write(parts, options);
  // Most components are not looked at.
  return { regexp, names, text, isAny: text === "*", hasRegExp: parts.some((p) => p.type === REGEXP) };
};

const fromURL = (u) => ({
  protocol: u.scheme, username: u.username, password: u.password, hostname: u.host ?? "", port: u.port === null ? "" : String(u.port),
  pathname: records.pathOf(u), search: u.query ?? "", hash: u.fragment ?? "",
});

const empty = Object.fromEntries(components.map((c) => [c, ""]));

export class URLPattern {
  #parts = {};

  constructor(input = {}, base = undefined, options = undefined) {
    if (typeof base === "object" && base !== null) { options = base; base = undefined; }
    let init;
    if (typeof input === "object" && input !== null) {
      if (base !== undefined) throw new TypeError("URLPattern takes a base as an argument for patterns that are text alone: use baseURL");
      init = input;
    } else {
      init = cut(`${input}`.toWellFormed());
      if (base === undefined && init.protocol === undefined) throw new TypeError(`the pattern ${input} has no protocol, and there is no base`);
      if (base !== undefined) init.baseURL = `${base}`;
    }
    const text = process(init, true, {});
    for (const c of components) text[c] ??= "*";
    if (defaultPorts[text.protocol] !== undefined && text.port === defaultPorts[text.protocol]) text.port = "";
    const p = this.#parts, ignoreCase = Boolean(options?.ignoreCase);
    p.protocol = component(text.protocol, plain, canonical.protocol, false);
    p.username = component(text.username, plain, canonical.username, false);
    p.password = component(text.password, plain, canonical.password, false);
    p.hostname = component(text.hostname, { delimiter: ".", prefix: "" }, isAddress(text.hostname) ? canonical.address : canonical.hostname, false);
    p.port = component(text.port, plain, canonical.port, false);
    const hierarchical = matchesSpecial(p.protocol.regexp);
    p.pathname = hierarchical
      ? component(text.pathname, { delimiter: "/", prefix: "/" }, canonical.pathname, ignoreCase)
      : component(text.pathname, plain, canonical.opaque, ignoreCase);
    p.search = component(text.search, plain, canonical.search, ignoreCase);
    p.hash = component(text.hash, plain, canonical.hash, ignoreCase);
  }

  // #read makes the components of what is to be matched; null if it is no URL.
  #read(input, base) {
    if (typeof input === "object" && input !== null && !(input instanceof URL)) {
      if (base !== undefined) throw new TypeError("URLPattern takes a base as an argument for URLs that are text alone: use baseURL");
      try { return process(input, false, empty); } catch { return null; }
    }
    let from = null;
    if (base !== undefined && (from = records.parse(`${base}`.toWellFormed(), null)) === null) return null;
    const u = records.parse(`${input}`.toWellFormed(), from);
    return u === null ? null : fromURL(u);
  }

  test(input = {}, base = undefined) {
    const values = this.#read(input, base);
    return values !== null && components.every((c) => this.#parts[c].isAny || this.#parts[c].regexp.test(values[c]));
  }

  exec(input = {}, base = undefined) {
    const values = this.#read(input, base);
    if (values === null) return null;
    const result = { inputs: base === undefined ? [input] : [input, base] };
    for (const c of components) {
      const { regexp, names, isAny } = this.#parts[c], input = values[c], groups = {};
      if (isAny) {
        groups[0] = input;
      } else {
        const match = regexp.exec(input);
        if (match === null) return null;
        names.forEach((n, i) => { groups[n] = match[i + 1]; });
      }
      result[c] = { input, groups };
    }
    return result;
  }

  get protocol() { return this.#parts.protocol.text; }
  get username() { return this.#parts.username.text; }
  get password() { return this.#parts.password.text; }
  get hostname() { return this.#parts.hostname.text; }
  get port() { return this.#parts.port.text; }
  get pathname() { return this.#parts.pathname.text; }
  get search() { return this.#parts.search.text; }
  get hash() { return this.#parts.hash.text; }
  get hasRegExpGroups() { return components.some((c) => this.#parts[c].hasRegExp); }
}

expose(URLPattern);
