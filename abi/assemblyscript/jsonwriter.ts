import { Json } from "./json";
import { decode } from "./utf8";

/**
 * JsonWriter writes one JSON value. Within an object fields are written with
 * their name, within an array with "".
 *
 *     new JsonWriter().object().text("name", "a").array("list").integer("", 1).end().end().toString()
 */
export class JsonWriter {
  private buffer: ArrayBuffer = new ArrayBuffer(256);
  private size: i32 = 0;
  private first: bool = true;
  // The objects and arrays that are open, one bit each: 1 is an object.
  private nested: u64 = 0;
  private depth: i32 = 0;

  /** object begins an object, array an array; at most 64 are open at a time. */
  object(name: string = ""): JsonWriter { return this.open(name, 0x7b, 1); }
  array(name: string = ""): JsonWriter { return this.open(name, 0x5b, 0); }

  /** end ends the object or array that was begun last. */
  end(): JsonWriter {
    this.byte(this.nested & 1 ? 0x7d : 0x5d);
    this.nested >>= 1;
    this.depth--;
    this.first = false;
    return this;
  }

  text(name: string, value: string): JsonWriter {
    this.name(name);
    this.quoted(value);
    return this;
  }

  integer(name: string, value: i64): JsonWriter {
    this.name(name);
    this.ascii(value.toString());
    return this;
  }

  /** number writes a number; what JSON has none for becomes null. */
  number(name: string, value: f64): JsonWriter {
    this.name(name);
    this.ascii(isFinite(value) ? value.toString() : "null");
    return this;
  }

  bool(name: string, value: bool): JsonWriter {
    this.name(name);
    this.ascii(value ? "true" : "false");
    return this;
  }

  nil(name: string): JsonWriter {
    this.name(name);
    this.ascii("null");
    return this;
  }

  /** raw writes what is JSON already. */
  raw(name: string, json: string): JsonWriter {
    this.name(name);
    this.plain(json);
    return this;
  }

  /** json writes a value that was read. */
  json(name: string, value: Json): JsonWriter { return this.raw(name, value.toString()); }

  texts(name: string, values: string[]): JsonWriter {
    this.array(name);
    for (let i = 0; i < values.length; i++) this.text("", values[i]);
    return this.end();
  }

  map(name: string, values: Map<string, string>): JsonWriter {
    this.object(name);
    const keys = values.keys();
    for (let i = 0; i < keys.length; i++) this.text(keys[i], values.get(keys[i]));
    return this.end();
  }

  // What is left out when it says nothing.
  textIf(name: string, value: string): JsonWriter { return value == "" ? this : this.text(name, value); }
  integerIf(name: string, value: i64): JsonWriter { return value == 0 ? this : this.integer(name, value); }
  boolIf(name: string, value: bool): JsonWriter { return value ? this.bool(name, value) : this; }
  textsIf(name: string, values: string[] | null): JsonWriter { return values === null ? this : this.texts(name, values); }
  mapIf(name: string, values: Map<string, string> | null): JsonWriter { return values === null ? this : this.map(name, values); }

  /** bytes is what was written, in UTF-8. */
  bytes(): ArrayBuffer { return this.buffer.slice(0, this.size); }

  toString(): string { return decode(changetype<usize>(this.buffer), this.size); }

  private open(name: string, opener: i32, object: u64): JsonWriter {
    if (this.depth == 64) throw new RangeError("JSON of more than 64 levels");
    this.name(name);
    this.byte(opener);
    this.nested = (this.nested << 1) | object;
    this.depth++;
    this.first = true;
    return this;
  }

  /** name writes the comma before a value and, in an object, its name. */
  private name(name: string): void {
    if (!this.first) this.byte(0x2c);
    this.first = false;
    if (this.nested & 1) {
      this.quoted(name);
      this.byte(0x3a);
    }
  }

  private room(n: i32): usize {
    if (this.size + n > this.buffer.byteLength) {
      const larger = new ArrayBuffer(max(this.size + n, 2 * this.buffer.byteLength));
      memory.copy(changetype<usize>(larger), changetype<usize>(this.buffer), this.size);
      this.buffer = larger;
    }
    return changetype<usize>(this.buffer) + this.size;
  }

  private byte(b: i32): void {
    store<u8>(this.room(1), b);
    this.size++;
  }

  private ascii(s: string): void {
    const n = s.length;
    const at = this.room(n);
    for (let i = 0; i < n; i++) store<u8>(at + i, load<u16>(changetype<usize>(s) + (usize(i) << 1)));
    this.size += n;
  }

  private plain(s: string): void {
    const at = this.room(3 * s.length);
    this.size += i32(String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, at, false, String.UTF8.ErrorMode.REPLACE));
  }

  private quoted(s: string): void {
    const n = s.length;
    const from = changetype<usize>(s);
    let at = this.room(n + 2);
    store<u8>(at, 0x22);
    let i = 0;
    for (; i < n; i++) {
      const c = u32(load<u16>(from + (usize(i) << 1)));
      if (c < 0x20 || c > 0x7e || c == 0x22 || c == 0x5c) break;
      store<u8>(at + 1 + i, c);
    }
    if (i == n) {
      store<u8>(at + 1 + n, 0x22);
      this.size += n + 2;
      return;
    }
    this.size += i + 1;
    this.escaped(s, i);
    this.byte(0x22);
  }

  /** escaped writes the rest of a text that is not plain. */
  private escaped(s: string, i: i32): void {
    const n = s.length;
    for (; i < n; i++) {
      const c = s.charCodeAt(i);
      if (c == 0x22 || c == 0x5c) {
        this.byte(0x5c);
        this.byte(c);
      } else if (c == 0x0a) {
        this.ascii("\\n");
      } else if (c < 0x20 || c == 0x7f) {
        this.ascii("\\u00");
        this.byte(hexDigit(c >> 4));
        this.byte(hexDigit(c & 15));
      } else if (c < 0x80) {
        this.byte(c);
      } else {
        const pair = (c & 0xfc00) == 0xd800 && i + 1 < n && (s.charCodeAt(i + 1) & 0xfc00) == 0xdc00;
        this.plain(s.substr(i, pair ? 2 : 1));
        if (pair) i++;
      }
    }
  }
}

function hexDigit(n: i32): i32 { return n < 10 ? 0x30 + n : 0x57 + n; }
