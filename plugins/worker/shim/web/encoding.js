// TextEncoder and TextDecoder (WHATWG encoding standard), for UTF-8, UTF-16 and
// windows-1252. The engine's functions do what is valid UTF-8; utf8.js does the rest.

import { edge } from "../core/edge.js";
import { bytesOf, joined } from "./bytes.js";
import { expose, need } from "./idl.js";
import { decodeUTF8 } from "./utf8.js";

const labels = new Map();
for (const [name, list] of [
  ["utf-8", "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8"],
  ["utf-16le", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"],
  ["utf-16be", "unicodefffe utf-16be"],
  ["windows-1252", "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252"],
]) for (const label of list.split(" ")) labels.set(label, name);

// What windows-1252 has at 0x80 to 0x9f.
const high = "\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178";

// memoryOf is the memory that a BufferSource shows, without copying it.
export const memoryOf = (source, what) => {
  const bytes = bytesOf(source);
  if (bytes === undefined) throw new TypeError(`${what} needs an ArrayBuffer or a view of one`);
  return bytes;
};

const NONE = new Uint8Array(0);
const encode = (text) => (text === "" ? new Uint8Array(0) : edge.utf8_encode(text));

// fromUnits makes a string of numbers, piece by piece: a call has room for so many.
const fromUnits = (units) => {
  if (units.length <= 4096) return String.fromCharCode.apply(null, units);
  let s = "";
  for (let i = 0; i < units.length; i += 4096) s += String.fromCharCode.apply(null, units.subarray(i, i + 4096));
  return s;
};

export class TextEncoder {
  get encoding() { return "utf-8"; }

  encode(input = "") { return encode((typeof input === "string" ? input : `${input}`).toWellFormed()); }

  encodeInto(source, destination) {
    need(arguments.length, 2, "TextEncoder.encodeInto");
    source = `${source}`.toWellFormed();
    if (!(destination instanceof Uint8Array)) throw new TypeError("TextEncoder.encodeInto needs an Uint8Array");
    const room = destination.length;
    // A code unit takes at least a byte, so that no more of them can fit.
    const all = encode(source.length > room ? source.slice(0, room).toWellFormed() : source);
    if (all.length <= room && source.length <= room) {
      destination.set(all);
      return { read: source.length, written: all.length };
    }
    let read = 0, written = 0;
    for (const c of source) {
      const point = c.codePointAt(0), size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (written + size > room) break;
      written += size;
      read += c.length;
    }
    destination.set(encode(source.slice(0, read)));
    return { read, written };
  }
}

const malformed = (name) => {
  const e = new TypeError(`The encoded data was not valid for encoding ${name}`);
  e.code = "ERR_ENCODING_INVALID_ENCODED_DATA";
  return e;
};

// valid tells whether text came of bytes that are UTF-8. U+FFFD is the engine's sign
// that something is not, and replaceAll finds it a hundred times faster than includes.
// The engine takes surrogates that were encoded one by one, too: a pair of them has
// more bytes than its character.
const valid = (text, bytes) => text.replaceAll("\ufffd", "").length === text.length &&
  (text.length === bytes.length || text.isWellFormed() && (!bytes.includes(0xed) || edge.utf8_encode(text).length === bytes.length));

// utf8 decodes bytes as bodies are (Encoding Standard, "UTF-8 decode"): without a
// byte order mark, and with U+FFFD for what is not valid.
export const utf8 = (bytes) => {
  if (bytes.length === 0) return "";
  if (bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
  const text = edge.utf8_decode(bytes);
  if (valid(text, bytes)) return text;
  const { text: whole, cut } = decodeUTF8(bytes, 0);
  return cut < bytes.length ? whole + "\ufffd" : whole;
};

export class TextDecoder {
  #name; #fatal; #ignoreBOM;
  #rest = NONE;  // bytes of a character that has not come whole
  #begun = false; // a byte order mark has been looked for
  #streams = false;

  constructor(label = "utf-8", options = {}) {
    label = `${label}`.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "").toLowerCase();
    this.#name = labels.get(label);
    if (this.#name === undefined) {
      const e = new RangeError(`The "${label}" encoding is not supported`);
      e.code = "ERR_ENCODING_NOT_SUPPORTED";
      throw e;
    }
    if (options !== null && typeof options !== "object" && typeof options !== "function") throw new TypeError("TextDecoder needs an object of options");
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }

  get encoding() { return this.#name; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input = NONE, options = undefined) {
    const name = this.#name, stream = Boolean(options?.stream);
    let bytes = memoryOf(input, "TextDecoder.decode");
    if (this.#streams) bytes = joined([this.#rest, bytes]);
    else { this.#rest = NONE; this.#begun = false; }
    this.#streams = stream;
    let text;
    try {
      text = name === "utf-8" ? this.#utf8(bytes, stream) : name === "windows-1252" ? latin(bytes) : this.#utf16(bytes, stream, name === "utf-16be");
    } catch (e) {
      this.#streams = false;
      throw e;
    }
    if (name === "windows-1252" || this.#begun || text === "") return text;
    this.#begun = true;
    return text[0] === "\ufeff" && !this.#ignoreBOM ? text.slice(1) : text;
  }

  #utf8(bytes, stream) {
    if (bytes.length === 0) return "";
    // What ends with ASCII ends with a whole character.
    if (bytes[bytes.length - 1] < 0x80 || !stream) {
      const text = edge.utf8_decode(bytes);
      if (valid(text, bytes)) { this.#rest = NONE; return text; }
    }
    const { text, bad, cut } = decodeUTF8(bytes, 0);
    const whole = cut === bytes.length;
    if (this.#fatal && (bad || (!whole && !stream))) throw malformed("utf-8");
    this.#rest = stream ? bytes.slice(cut) : NONE;
    return whole || stream ? text : text + "\ufffd";
  }

  #utf16(bytes, stream, big) {
    let size = bytes.length & ~1;
    const units = new Uint16Array(size / 2);
    for (let i = 0; i < size; i += 2) units[i / 2] = big ? (bytes[i] << 8) | bytes[i + 1] : bytes[i] | (bytes[i + 1] << 8);
    // A pair of surrogates may come in two pieces.
    const waits = stream && size > 0 && (units[size / 2 - 1] & 0xfc00) === 0xd800;
    if (waits) size -= 2;
    this.#rest = stream ? bytes.slice(size) : NONE;
    let text = fromUnits(waits ? units.subarray(0, -1) : units);
    const whole = stream || size === bytes.length;
    if (this.#fatal && (!whole || !text.isWellFormed())) throw malformed(this.#name);
    text = text.toWellFormed();
    return whole ? text : text + "\ufffd";
  }
}

const latin = (bytes) => {
  const text = fromUnits(bytes);
  return text.replace(/[\x80-\x9f]/g, (c) => high[c.charCodeAt(0) - 0x80]);
};

expose(TextEncoder);
expose(TextDecoder);
