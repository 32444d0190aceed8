// The parser of URLs: what the state machine of the WHATWG URL standard (section
// 4.4) gives, found by cutting the text at its delimiters.
//
// A record is {scheme, username, password, host, port, path, query, fragment}. host
// is null or as written in a URL, port null or a number, path an array of segments
// or, for URLs such as data:, a string; query and fragment are null or text.

import { parseHost } from "./url_host.js";
import { control, encode, fragment, path as pathSet, query as querySet, specialQuery, userinfo } from "./percent.js";

// ports are the special schemes with the port that goes without saying.
const ports = { __proto__: null, "http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "file": null };
export const isSpecial = (scheme) => scheme in ports;

const drive = /^[a-z][:|]$/i;
const startsWithDrive = /^[a-z][:|](?:$|[/\\?#])/i;
const normalDrive = /^[a-z]:$/i;
const single = /^(?:\.|%2e)$/i;
const double = /^(?:\.|%2e){2}$/i;

const fresh = (scheme) => ({ scheme, username: "", password: "", host: null, port: null, path: [], query: null, fragment: null });

// shorten takes the last segment off, but not the drive of a file.
const shorten = (u) => {
  if (u.scheme === "file" && u.path.length === 1 && normalDrive.test(u.path[0])) return;
  u.path.pop();
};

// putQuery sets the query; the text has no question mark before it.
export const putQuery = (u, text) => { u.query = encode(text, isSpecial(u.scheme) ? specialQuery : querySet); };
export const putFragment = (u, text) => { u.fragment = encode(text, fragment); };

// unusual is what a path may have that is written in another way.
const unusual = /[^!$-;=@-[\]_a-z|~]/;

// putPath appends the segments of the text, which has no query, to the path.
export const putPath = (u, text) => {
  const special = isSpecial(u.scheme);
  if (!unusual.test(text) && u.scheme !== "file" && text[0] !== "." && !text.includes("/.") && !text.includes("%2")) {
    for (const segment of text.split("/")) u.path.push(segment);
    return;
  }
  const segments = (special ? text.replaceAll("\\", "/") : text).split("/");
  const end = segments.length - 1;
  segments.forEach((segment, i) => {
    if (double.test(segment)) {
      shorten(u);
      if (i === end) u.path.push("");
    } else if (single.test(segment)) {
      if (i === end) u.path.push("");
    } else {
      if (u.scheme === "file" && u.path.length === 0 && drive.test(segment)) segment = segment[0] + ":";
      u.path.push(encode(segment, pathSet));
    }
  });
};

// putTail parses what comes behind the host: path, query and fragment.
const putTail = (u, text) => {
  const special = isSpecial(u.scheme);
  const rest = putEnds(u, text);
  if (special) putPath(u, rest[0] === "/" || rest[0] === "\\" ? rest.slice(1) : rest);
  else if (rest !== "") putPath(u, rest[0] === "/" ? rest.slice(1) : rest);
};

// putEnds takes fragment and query off the text, and returns the rest.
const putEnds = (u, text) => {
  const hash = text.indexOf("#");
  if (hash >= 0) { putFragment(u, text.slice(hash + 1)); text = text.slice(0, hash); }
  const mark = text.indexOf("?");
  if (mark >= 0) { putQuery(u, text.slice(mark + 1)); text = text.slice(0, mark); }
  return text;
};

// endOfHost is where the part with user, host and port ends.
const endOfHost = (text, special) => {
  const i = text.search(special ? /[/\\?#]/ : /[/?#]/);
  return i < 0 ? text.length : i;
};

// portStart finds the colon before the port, outside of an IPv6 address's brackets.
const portStart = (text) => {
  if (!text.includes("[")) return text.indexOf(":");
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "[") inside = true;
    else if (text[i] === "]") inside = false;
    else if (text[i] === ":" && !inside) return i;
  }
  return -1;
};

const putPort = (u, digits) => {
  const port = digits === "" ? null : Number(digits);
  if (port > 65535) return false;
  u.port = port === ports[u.scheme] ? null : port;
  return true;
};

// putAuthority parses what comes behind the two slashes.
const putAuthority = (u, text) => {
  const special = isSpecial(u.scheme), end = endOfHost(text, special);
  let host = text.slice(0, end);
  const at = host.lastIndexOf("@");
  if (at >= 0) {
    const user = host.slice(0, at), colon = user.indexOf(":");
    host = host.slice(at + 1);
    if (host === "") return false;
    u.username = encode(colon < 0 ? user : user.slice(0, colon), userinfo);
    if (colon >= 0) u.password = encode(user.slice(colon + 1), userinfo);
  }
  const colon = portStart(host);
  if (colon >= 0) {
    const digits = host.slice(colon + 1);
    host = host.slice(0, colon);
    if (host === "" || !/^[0-9]*$/.test(digits) || !putPort(u, digits)) return false;
  }
  if (special && host === "") return false;
  u.host = host === "" ? "" : parseHost(host, special);
  if (u.host === null) return false;
  putTail(u, text.slice(end));
  return true;
};

const putFileHost = (u, text) => {
  const end = endOfHost(text, true), host = text.slice(0, end);
  if (drive.test(host)) { putTail(u, text); return true; }
  if (host !== "") {
    const parsed = parseHost(host, true);
    if (parsed === null) return false;
    u.host = parsed === "localhost" ? "" : parsed;
  }
  putTail(u, text.slice(end));
  return true;
};

const slash = (c) => c === "/" || c === "\\";

const parseFile = (text, base) => {
  const u = fresh("file"), from = base?.scheme === "file" ? base : null;
  u.host = "";
  if (slash(text[0])) {
    if (slash(text[1])) return putFileHost(u, text.slice(2)) ? u : null;
    if (from !== null) {
      u.host = from.host;
      if (!startsWithDrive.test(text.slice(1)) && normalDrive.test(from.path[0] ?? "")) u.path.push(from.path[0]);
    }
    putTail(u, text);
    return u;
  }
  if (from === null) { putTail(u, text); return u; }
  u.host = from.host;
  return relative(u, text, from);
};

// relative parses what has neither scheme nor host, against the base's path.
const relative = (u, text, base) => {
  u.path = base.path.slice();
  u.query = base.query;
  if (text === "" || text[0] === "#") { putEnds(u, text); return u; }
  u.query = null;
  if (text[0] === "?") { putEnds(u, text); return u; }
  if (u.scheme === "file" && startsWithDrive.test(text)) u.path = [];
  else shorten(u);
  putPath(u, putEnds(u, text));
  return u;
};

// parseRelative parses against a base of the same scheme, which is not file.
const parseRelative = (text, base) => {
  const u = fresh(base.scheme), special = isSpecial(base.scheme);
  const isSlash = (c) => c === "/" || (special && c === "\\");
  if (isSlash(text[0]) && isSlash(text[1])) return putAuthority(u, special ? text.replace(/^[/\\]+/, "") : text.slice(2)) ? u : null;
  for (const k of ["username", "password", "host", "port"]) u[k] = base[k];
  if (isSlash(text[0])) { putTail(u, text); return u; }
  return relative(u, text, base);
};

const parseOpaque = (u, text) => {
  let rest = putEnds(u, text);
  // A space at the end would be lost when the URL is parsed again.
  if (rest.at(-1) === " " && rest.length < text.length) rest = rest.slice(0, -1) + "%20";
  u.path = encode(rest, control);
  return u;
};

const blank = /[\x00-\x20]/;

// parse returns the record of a URL, or null if it is not valid. base is a record or
// null. The input has no lone surrogates.
export const parse = (input, base) => {
  const text = blank.test(input) ? input.replace(/^[\x00-\x20]+|[\x00-\x20]+$|[\t\n\r]+/g, "") : input;
  const match = /^([a-z][a-z0-9+\-.]*):/i.exec(text);
  if (match === null) {
    if (base === null) return null;
    if (typeof base.path === "string") {
      if (text[0] !== "#") return null;
      const u = { ...base };
      putFragment(u, text.slice(1));
      return u;
    }
    return base.scheme === "file" ? parseFile(text, base) : parseRelative(text, base);
  }
  const scheme = match[1].toLowerCase(), rest = text.slice(match[0].length);
  if (scheme === "file") return parseFile(rest, base);
  if (isSpecial(scheme)) {
    if (base !== null && base.scheme === scheme && !rest.startsWith("//")) return parseRelative(rest, base);
    const u = fresh(scheme);
    return putAuthority(u, rest.replace(/^[/\\]+/, "")) ? u : null;
  }
  const u = fresh(scheme);
  if (rest.startsWith("//")) return putAuthority(u, rest.slice(2)) ? u : null;
  if (rest[0] !== "/") return parseOpaque(u, rest);
  putTail(u, rest);
  return u;
};

// pathOf is the path as it is written in a URL.
export const pathOf = (u) => typeof u.path === "string" ? u.path : u.path.length === 0 ? "" : "/" + u.path.join("/");

// format writes a record as a URL.
export const format = (u) => {
  let s = u.scheme + ":";
  if (u.host !== null) {
    s += "//";
    if (u.username !== "" || u.password !== "") s += u.username + (u.password === "" ? "@" : ":" + u.password + "@");
    s += u.port === null ? u.host : u.host + ":" + u.port;
  } else if (typeof u.path !== "string" && u.path.length > 1 && u.path[0] === "") {
    s += "/."; // or the path would look like a host
  }
  s += pathOf(u);
  if (u.query !== null) s += "?" + u.query;
  return u.fragment === null ? s : s + "#" + u.fragment;
};

// Setters: what is not valid changes nothing.

const without = (text) => text.replace(/[\t\n\r]+/g, "");

export const setProtocol = (u, text) => {
  const match = /^([a-z][a-z0-9+\-.]*):/i.exec(without(text) + ":");
  if (match === null) return;
  const scheme = match[1].toLowerCase();
  if (isSpecial(scheme) !== isSpecial(u.scheme)) return;
  if (scheme === "file" && (u.username !== "" || u.password !== "" || u.port !== null)) return;
  if (u.scheme === "file" && u.host === "") return;
  u.scheme = scheme;
  if (u.port === ports[scheme]) u.port = null;
};

const noPort = (u) => u.host === null || u.host === "" || u.scheme === "file";

export const setUsername = (u, text) => { if (!noPort(u)) u.username = encode(text, userinfo); };
export const setPassword = (u, text) => { if (!noPort(u)) u.password = encode(text, userinfo); };

// setHost sets host and port, or the host alone.
export const setHost = (u, text, alone) => {
  if (typeof u.path === "string") return;
  const special = isSpecial(u.scheme);
  text = without(text);
  text = text.slice(0, endOfHost(text, special));
  if (u.scheme === "file") {
    const host = text === "" ? "" : parseHost(text, true);
    if (host !== null) u.host = host === "localhost" ? "" : host;
    return;
  }
  const colon = portStart(text), name = colon < 0 ? text : text.slice(0, colon);
  if (colon >= 0 && (alone || name === "")) return;
  if (name === "" && (special || u.username !== "" || u.password !== "" || u.port !== null)) return;
  const host = name === "" ? "" : parseHost(name, special);
  if (host === null) return;
  u.host = host;
  if (colon >= 0) setDigits(u, text.slice(colon + 1));
};

const setDigits = (u, text) => {
  const digits = /^[0-9]*/.exec(text)[0];
  if (digits !== "") putPort(u, digits);
};

export const setPort = (u, text) => {
  if (noPort(u)) return;
  if (text === "") u.port = null;
  else setDigits(u, without(text));
};

export const setPath = (u, text) => {
  if (typeof u.path === "string") return;
  text = without(text);
  u.path = [];
  const special = isSpecial(u.scheme);
  if (special) putPath(u, slash(text[0]) ? text.slice(1) : text);
  else if (text !== "") putPath(u, text[0] === "/" ? text.slice(1) : text);
  else if (u.host === null) u.path.push("");
};

export const setSearch = (u, text) => {
  if (text === "") u.query = null;
  else putQuery(u, without(text[0] === "?" ? text.slice(1) : text));
};

export const setHash = (u, text) => {
  if (text === "") u.fragment = null;
  else putFragment(u, without(text[0] === "#" ? text.slice(1) : text));
};
