// FormData, and multipart/form-data (XMLHttpRequest Standard, section 4; RFC 7578).
import { edge } from "../core/edge.js";
import { Blob, File, blob, blobBytes } from "./blob.js";
import { URLSearchParams } from "./url.js";
import { expose, iterators, need } from "./idl.js";
import { joined } from "./bytes.js";
import { utf8 } from "./encoding.js";

let entriesOf, add;

const named = (value, filename) => {
  if (value instanceof File && filename === undefined) return value;
  const name = filename === undefined ? "blob" : String(filename).toWellFormed();
  return new File([value], name, { type: value.type, lastModified: value instanceof File ? value.lastModified : undefined });
};

const valueOf = (what, args) => {
  if (args.length < 2) throw new TypeError(`FormData.${what} needs a name and a value`);
  if (args[1] instanceof Blob) return named(args[1], args[2]);
  if (args.length > 2 && args[2] !== undefined) throw new TypeError(`FormData.${what}: only a Blob has a file name`);
  return String(args[1]).toWellFormed();
};

export class FormData {
  #entries = [];
  constructor(form) {
    if (form !== undefined) throw new TypeError("a FormData is not made of anything here: there are no forms");
  }
  append(name) { const value = valueOf("append", arguments); this.#entries.push([String(name).toWellFormed(), value]); }
  delete(name) { need(arguments.length, 1, "FormData.delete"); name = String(name).toWellFormed(); this.#entries = this.#entries.filter((e) => e[0] !== name); }
  get(name) { need(arguments.length, 1, "FormData.get"); name = String(name).toWellFormed(); return this.#entries.find((e) => e[0] === name)?.[1] ?? null; }
  getAll(name) { need(arguments.length, 1, "FormData.getAll"); name = String(name).toWellFormed(); return this.#entries.filter((e) => e[0] === name).map((e) => e[1]); }
  has(name) { need(arguments.length, 1, "FormData.has"); name = String(name).toWellFormed(); return this.#entries.some((e) => e[0] === name); }
  set(name) {
    const value = valueOf("set", arguments);
    name = String(name).toWellFormed();
    const i = this.#entries.findIndex((e) => e[0] === name);
    if (i < 0) { this.#entries.push([name, value]); return; }
    this.#entries = this.#entries.filter((e, j) => j <= i || e[0] !== name);
    this.#entries[i] = [name, value];
  }
  static {
    entriesOf = (f) => f.#entries;
    add = (f, name, value) => { f.#entries.push([name, value]); };
  }
}
expose(FormData);
iterators(FormData, (f, i) => entriesOf(f)[i]);

const lines = (s) => s.replace(/\r\n?|\n/g, "\r\n");
const quoted = (s) => s.replace(/\n/g, "%0A").replace(/\r/g, "%0D").replace(/"/g, "%22");

// encodeForm is a form as multipart/form-data: {bytes, type}.
export const encodeForm = (form) => {
  const boundary = "----formdata-edge-" + [...edge.random(12)].map((b) => b.toString(16).padStart(2, "0")).join("");
  const parts = [];
  for (const [name, value] of entriesOf(form)) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`;
    if (typeof value === "string") {
      parts.push(edge.utf8_encode(`${head}\r\n\r\n${lines(value)}\r\n`));
    } else {
      parts.push(edge.utf8_encode(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`), blobBytes(value), edge.utf8_encode("\r\n"));
    }
  }
  parts.push(edge.utf8_encode(`--${boundary}--\r\n`));
  return { bytes: joined(parts), type: "multipart/form-data; boundary=" + boundary };
};

// parseForm makes a FormData of a body, as its Content-Type says.
export const parseForm = (bytes, type) => {
  const kind = type.split(";")[0].trim().toLowerCase();
  if (kind === "application/x-www-form-urlencoded") {
    const form = new FormData();
    for (const [name, value] of new URLSearchParams(utf8(bytes))) add(form, name, value);
    return form;
  }
  if (kind !== "multipart/form-data") throw new TypeError(`the body is no form: its Content-Type is ${JSON.stringify(type)}`);
  const boundary = parameter(type, "boundary");
  if (!boundary) throw new TypeError("the Content-Type of the form names no boundary");
  return multipart(bytes, boundary);
};

const parameter = (text, name) => {
  const m = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s"]*))`, "i").exec(text);
  return m === null ? undefined : m[1] !== undefined ? m[1].replace(/\\(["\\])/g, "$1") : m[2];
};

// multipart looks for the parts in the bytes as characters, which are as many.
const multipart = (bytes, boundary) => {
  const form = new FormData(), all = edge.latin1_decode(bytes), mark = "--" + boundary;
  const wrong = (why) => new TypeError(`the form cannot be read as multipart/form-data: ${why}`);
  let at = all.indexOf(mark);
  if (at < 0) throw wrong("its boundary is not in it");
  for (;;) {
    at += mark.length;
    if (all.startsWith("--", at)) return form;
    if (!all.startsWith("\r\n", at)) throw wrong("a boundary's line does not end");
    const body = all.indexOf("\r\n\r\n", at);
    if (body < 0) throw wrong("a part's head does not end");
    const end = all.indexOf("\r\n" + mark, body + 2);
    if (end < 0) throw wrong("a part does not end");
    const head = utf8(bytes.subarray(at, body + 2));
    part(form, head, bytes.subarray(body + 4, Math.max(end, body + 4)), wrong);
    at = end + 2;
  }
};

const part = (form, head, bytes, wrong) => {
  const disposition = /\r\ncontent-disposition:[ \t]*(form-data[^\r]*)/i.exec(head)?.[1];
  const name = disposition === undefined ? undefined : unquoted(disposition, "name");
  if (name === undefined) throw wrong("a part has no name");
  const filename = unquoted(disposition, "filename");
  if (filename === undefined) return add(form, name, utf8(bytes));
  const type = /\r\ncontent-type:[ \t]*([^\r]*)/i.exec(head)?.[1].trim() ?? "text/plain";
  add(form, name, new File([blob(bytes.slice(), "")], filename, { type }));
};

const unquoted = (disposition, name) => {
  const v = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s"]*))`, "i").exec(disposition);
  return v === null ? undefined : (v[1] ?? v[2]).replace(/%0A/gi, "\n").replace(/%0D/gi, "\r").replace(/%22/g, '"');
};
