// JSON (RFC 8259): what was read. It is checked once, as a whole, and then looked at
// where it lies, so that a field that nobody asks for costs nothing.

import { decode, utf8 } from "./utf8";

export { JsonWriter } from "./jsonwriter";

/** Kind is what a Json value is. */
export enum Kind { NULL, BOOL, NUMBER, TEXT, ARRAY, OBJECT }

/** MAX_DEPTH is how deeply values may be nested. */
const MAX_DEPTH: i32 = 64;

/**
 * Json is a value that was read. What is asked of it and is not there, or is of
 * another kind, is the fallback.
 */
export class Json {
  /** The value lies in the buffer from one offset to the other, spaces cut off. */
  private constructor(private buffer: ArrayBuffer, private from: i32, private to: i32) {}

  /** empty is an object without fields. */
  static empty(): Json { return new Json(nothing, 0, 0); }

  /** parse reads a text, or returns null if it is no JSON. */
  static parse(text: string): Json | null { return Json.whole(utf8(text)); }

  /** read reads n bytes of UTF-8, or returns null if they are no JSON. */
  static read(at: usize, n: i32): Json | null {
    const copy = new ArrayBuffer(n);
    memory.copy(changetype<usize>(copy), at, n);
    return Json.whole(copy);
  }

  private static whole(buffer: ArrayBuffer): Json | null {
    const base = changetype<usize>(buffer);
    const end = base + buffer.byteLength;
    const from = space(base, end);
    const to = value(from, end, 0);
    return to == 0 || space(to, end) != end ? null : new Json(buffer, i32(from - base), i32(to - base));
  }

  get kind(): Kind {
    if (this.from == this.to) return Kind.OBJECT;
    switch (load<u8>(this.begin)) {
      case 0x7b: return Kind.OBJECT;
      case 0x5b: return Kind.ARRAY;
      case 0x22: return Kind.TEXT;
      case 0x74: case 0x66: return Kind.BOOL;
      case 0x6e: return Kind.NULL;
      default: return Kind.NUMBER;
    }
  }

  get isNull(): bool { return this.kind == Kind.NULL; }

  /** length is how many fields or items there are. */
  get length(): i32 {
    let n = 0;
    for (const c = this.items(); c.next();) n++;
    return n;
  }

  /** get is a field, or null. */
  get(name: string): Json | null {
    if (this.kind != Kind.OBJECT) return null;
    for (const c = this.items(); c.next();) {
      if (isText(c.nameFrom, c.nameTo, name)) return this.part(c.from, c.to);
    }
    return null;
  }

  /** list are the items of an array, or the values of an object. */
  list(): Json[] {
    const all: Json[] = [];
    for (const c = this.items(); c.next();) all.push(this.part(c.from, c.to));
    return all;
  }

  /** names are the names of an object's fields. */
  names(): string[] {
    const all: string[] = [];
    if (this.kind != Kind.OBJECT) return all;
    for (const c = this.items(); c.next();) all.push(textOf(c.nameFrom, c.nameTo));
    return all;
  }

  asString(fallback: string = ""): string { return this.kind == Kind.TEXT ? textOf(this.begin, this.end) : fallback; }

  asInteger(fallback: i64 = 0): i64 {
    if (this.kind != Kind.NUMBER) return fallback;
    const digits = this.toString();
    for (let i = 0; i < digits.length; i++) {
      const c = digits.charCodeAt(i) | 0x20;
      if (c == 0x2e || c == 0x65) return i64(F64.parseFloat(digits)); // a point or an exponent
    }
    return I64.parseInt(digits);
  }

  asNumber(fallback: f64 = 0): f64 { return this.kind == Kind.NUMBER ? F64.parseFloat(this.toString()) : fallback; }

  asBool(fallback: bool = false): bool { return this.kind == Kind.BOOL ? load<u8>(this.begin) == 0x74 : fallback; }

  asStrings(): string[] {
    const texts: string[] = [];
    const all = this.list();
    for (let i = 0; i < all.length; i++) texts.push(all[i].asString());
    return texts;
  }

  string(name: string, fallback: string = ""): string {
    const v = this.get(name);
    return v === null ? fallback : v.asString(fallback);
  }
  integer(name: string, fallback: i64 = 0): i64 {
    const v = this.get(name);
    return v === null ? fallback : v.asInteger(fallback);
  }
  number(name: string, fallback: f64 = 0): f64 {
    const v = this.get(name);
    return v === null ? fallback : v.asNumber(fallback);
  }
  bool(name: string, fallback: bool = false): bool {
    const v = this.get(name);
    return v === null ? fallback : v.asBool(fallback);
  }
  /** array are the items of a field that is an array; of anything else there are none. */
  array(name: string): Json[] {
    const v = this.get(name);
    return v === null || v.kind != Kind.ARRAY ? [] : v.list();
  }

  /** toString is the value as it was written. */
  toString(): string { return this.from == this.to ? "{}" : decode(this.begin, this.to - this.from); }

  private get begin(): usize { return changetype<usize>(this.buffer) + this.from; }
  private get end(): usize { return changetype<usize>(this.buffer) + this.to; }

  private part(from: usize, to: usize): Json {
    const base = changetype<usize>(this.buffer);
    return new Json(this.buffer, i32(from - base), i32(to - base));
  }

  private items(): Cursor {
    const k = this.kind;
    const composite = this.from != this.to && (k == Kind.OBJECT || k == Kind.ARRAY);
    return new Cursor(composite ? this.begin + 1 : this.end, this.end, k == Kind.OBJECT);
  }
}

const nothing: ArrayBuffer = new ArrayBuffer(0);

/** Cursor goes over the fields or items of a value that was checked. */
class Cursor {
  nameFrom: usize = 0;
  nameTo: usize = 0;
  from: usize = 0;
  to: usize = 0;

  constructor(private at: usize, private end: usize, private named: bool) {}

  next(): bool {
    let at = space(this.at, this.end);
    if (at >= this.end) return false;
    const c = load<u8>(at);
    if (c == 0x7d || c == 0x5d) return false;
    if (c == 0x2c) at = space(at + 1, this.end);
    if (this.named) {
      this.nameFrom = at;
      this.nameTo = quoted(at, this.end);
      at = space(space(this.nameTo, this.end) + 1, this.end); // behind the colon
    }
    this.from = at;
    this.to = value(at, this.end, 0);
    this.at = this.to;
    return true;
  }
}

// What follows takes the address where something begins and returns the one where it
// ends, or 0 if it is not what it should be.

function space(at: usize, end: usize): usize {
  while (at < end) {
    const c = load<u8>(at);
    if (c != 0x20 && c != 0x09 && c != 0x0a && c != 0x0d) break;
    at++;
  }
  return at;
}

function value(at: usize, end: usize, depth: i32): usize {
  if (at >= end || depth >= MAX_DEPTH) return 0;
  switch (load<u8>(at)) {
    case 0x7b: return composite(at, end, depth, true);
    case 0x5b: return composite(at, end, depth, false);
    case 0x22: return quoted(at, end);
    case 0x74: return word(at, end, "true");
    case 0x66: return word(at, end, "false");
    case 0x6e: return word(at, end, "null");
    default: return number(at, end);
  }
}

function composite(at: usize, end: usize, depth: i32, named: bool): usize {
  const closer: u8 = named ? 0x7d : 0x5d;
  at = space(at + 1, end);
  if (at < end && load<u8>(at) == closer) return at + 1;
  while (at < end) {
    if (named) {
      at = quoted(at, end);
      if (at == 0) return 0;
      at = space(at, end);
      if (at >= end || load<u8>(at) != 0x3a) return 0;
      at = space(at + 1, end);
    }
    at = value(at, end, depth + 1);
    if (at == 0) return 0;
    at = space(at, end);
    if (at >= end) return 0;
    const c = load<u8>(at);
    if (c == closer) return at + 1;
    if (c != 0x2c) return 0;
    at = space(at + 1, end);
  }
  return 0;
}

function word(at: usize, end: usize, letters: string): usize {
  const n = letters.length;
  if (at + n > end) return 0;
  for (let i = 0; i < n; i++) {
    if (load<u8>(at + i) != letters.charCodeAt(i)) return 0;
  }
  return at + n;
}

function digits(at: usize, end: usize): usize {
  while (at < end && u8(load<u8>(at) - 0x30) <= 9) at++;
  return at;
}

function number(at: usize, end: usize): usize {
  if (load<u8>(at) == 0x2d) at++;
  const whole = at;
  at = digits(at, end);
  if (at == whole || (at > whole + 1 && load<u8>(whole) == 0x30)) return 0;
  if (at < end && load<u8>(at) == 0x2e) {
    const from = at + 1;
    at = digits(from, end);
    if (at == from) return 0;
  }
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    at++;
    if (at < end && (load<u8>(at) == 0x2b || load<u8>(at) == 0x2d)) at++;
    const from = at;
    at = digits(from, end);
    if (at == from) return 0;
  }
  return at;
}

function quoted(at: usize, end: usize): usize {
  if (at >= end || load<u8>(at) != 0x22) return 0;
  for (at++; at < end; at++) {
    const c = load<u8>(at);
    if (c == 0x22) return at + 1;
    if (c < 0x20) return 0;
    if (c != 0x5c) continue;
    if (++at >= end) return 0;
    if (load<u8>(at) == 0x75) {
      if (at + 4 >= end) return 0;
      for (let i = 1; i <= 4; i++) if (hexDigit(load<u8>(at + i)) < 0) return 0;
      at += 4;
    } else if (escaped(load<u8>(at)) == 0) {
      return 0;
    }
  }
  return 0;
}

/** escaped is what a letter behind a backslash stands for, or 0. */
function escaped(c: u8): u8 {
  switch (c) {
    case 0x22: case 0x5c: case 0x2f: return c;
    case 0x62: return 0x08;
    case 0x66: return 0x0c;
    case 0x6e: return 0x0a;
    case 0x72: return 0x0d;
    case 0x74: return 0x09;
    default: return 0;
  }
}

function hexDigit(c: u8): i32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** isText compares a quoted string with a text. */
function isText(from: usize, to: usize, text: string): bool {
  const n = text.length;
  if (to - from == usize(n) + 2) {
    let i = 0;
    while (i < n) {
      const c = load<u8>(from + 1 + i);
      if (c >= 0x80 || c == 0x5c || c != text.charCodeAt(i)) break;
      i++;
    }
    if (i == n) return true;
  }
  for (let at = from; at < to; at++) {
    const c = load<u8>(at);
    if (c >= 0x80 || c == 0x5c) return textOf(from, to) == text;
  }
  return false;
}

/** textOf is what a quoted string says. */
function textOf(from: usize, to: usize): string {
  from++;
  to--;
  let plain = from;
  while (plain < to && load<u8>(plain) != 0x5c) plain++;
  if (plain == to) return decode(from, i32(to - from));
  // What is escaped is never longer than its escape.
  const out = new ArrayBuffer(i32(to - from));
  const base = changetype<usize>(out);
  let size: usize = 0;
  for (let at = from; at < to;) {
    const c = load<u8>(at);
    if (c != 0x5c) {
      store<u8>(base + size++, c);
      at++;
    } else if (load<u8>(at + 1) != 0x75) {
      store<u8>(base + size++, escaped(load<u8>(at + 1)));
      at += 2;
    } else {
      let unit = unitAt(at);
      at += 6;
      if ((unit & 0xfc00) == 0xd800 && at + 6 <= to && load<u16>(at) == 0x755c && (unitAt(at) & 0xfc00) == 0xdc00) {
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (unitAt(at) & 0x3ff);
        at += 6;
      }
      size += encode(unit, base + size);
    }
  }
  return decode(base, i32(size));
}

/** unitAt reads an escape of four digits. */
function unitAt(at: usize): u32 {
  let unit: u32 = 0;
  for (let i = 2; i < 6; i++) unit = (unit << 4) | u32(hexDigit(load<u8>(at + i)));
  return unit;
}

/** encode writes a character in UTF-8; a surrogate without its pair is U+FFFD. */
function encode(c: u32, to: usize): usize {
  if (c < 0x80) {
    store<u8>(to, c);
    return 1;
  }
  if (c < 0x800) {
    store<u8>(to, 0xc0 | (c >> 6));
    store<u8>(to + 1, 0x80 | (c & 0x3f));
    return 2;
  }
  if ((c & 0xfffff800) == 0xd800) c = 0xfffd;
  if (c < 0x10000) {
    store<u8>(to, 0xe0 | (c >> 12));
    store<u8>(to + 1, 0x80 | ((c >> 6) & 0x3f));
    store<u8>(to + 2, 0x80 | (c & 0x3f));
    return 3;
  }
  store<u8>(to, 0xf0 | (c >> 18));
  store<u8>(to + 1, 0x80 | ((c >> 12) & 0x3f));
  store<u8>(to + 2, 0x80 | ((c >> 6) & 0x3f));
  store<u8>(to + 3, 0x80 | (c & 0x3f));
  return 4;
}
