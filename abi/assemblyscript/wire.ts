// Bytes that cross the border: the answers of host functions, value lists and
// header blocks (abi/SPEC.md, sections 2 and 4).

import * as host from "./host";
import { Errno } from "./errors";
import { decode, utf8 } from "./utf8";

/** ROOM is how much of an answer is taken without a second call. */
const ROOM: i32 = 2048;
const room: usize = memory.data(ROOM);

// Where the answer of the last call lies, until the next call.
let start: usize = 0;
let size: i32 = 0;
let kept: ArrayBuffer = new ArrayBuffer(0);

/** place is where a host function writes its answer, room() bytes of it. */
// @ts-ignore: decorator
@inline export function place(): usize { return room; }
// @ts-ignore: decorator
@inline export function placeSize(): i32 { return ROOM; }

// Texts that a host function takes are put into a room of their own, one behind the
// other; what does not fit lies on the heap until the next call. The host copies
// what it needs during the call.
const ARGUMENTS: i32 = 2048;
const arguments: usize = memory.data(ARGUMENTS);
let used: i32 = 0;
let spilt: ArrayBuffer[] = [];

/** Slice is an address and a size, as one number that costs nothing. */
export type Slice = u64;

// @ts-ignore: decorator
@inline export function ptr(s: Slice): usize { return usize(s >> 32); }
// @ts-ignore: decorator
@inline export function len(s: Slice): i32 { return i32(s); }

/** first is argument for the first text of a call: those of earlier calls are gone. */
export function first(text: string): Slice {
  used = 0;
  if (spilt.length > 0) spilt = [];
  return argument(text);
}

/** argument is a text as the host takes it. A surrogate without its pair becomes U+FFFD. */
export function argument(text: string): Slice {
  const n = text.length;
  const most = 3 * n;
  let to = arguments + used;
  if (most > ARGUMENTS - used) {
    const b = utf8(text);
    spilt.push(b);
    return (u64(changetype<usize>(b)) << 32) | u64(b.byteLength);
  }
  const written = encode(text, to);
  used += written;
  return (u64(to) << 32) | u64(written);
}

/** encode writes a text where there is room for three bytes a unit. */
export function encode(text: string, to: usize): i32 {
  const from = changetype<usize>(text);
  const n = text.length;
  let i = 0;
  for (; i + 4 <= n; i += 4) { // four units of ASCII at once
    let four = load<u64>(from + (usize(i) << 1));
    if ((four & 0xff80ff80ff80ff80) != 0) break;
    four = (four | (four >> 8)) & 0x0000ffff0000ffff;
    store<u32>(to + i, u32(four | (four >> 16)));
  }
  for (; i < n; i++) {
    const c = u32(load<u16>(from + (usize(i) << 1)));
    if (c >= 0x80) return i + i32(String.UTF8.encodeUnsafe(from + (usize(i) << 1), n - i, to + i, false, String.UTF8.ErrorMode.REPLACE));
    store<u8>(to + i, c);
  }
  return n;
}

/** errnoOf takes the errno out of a result; an unknown one is INTERNAL. */
export function errnoOf(result: i64): i32 {
  const n = i32(result >> 32);
  return n < 0 || n > Errno.INTERNAL ? Errno.INTERNAL : n;
}

/**
 * take makes the answer of a call that was offered place() the one that bytes(),
 * text() and the others read, and returns its errno. What did not fit is read
 * from the host, which kept it: nothing is done twice.
 */
export function take(req: u32, result: i64): i32 {
  const errno = errnoOf(result);
  if (errno != Errno.OK) return errno;
  const n = i32(result);
  start = room;
  size = n;
  if (u32(n) <= u32(ROOM)) return Errno.OK;
  kept = new ArrayBuffer(n);
  start = changetype<usize>(kept);
  for (let done = 0; done < n;) {
    const more = host.resultRead(req, 0, done, start + done, n - done);
    const e = errnoOf(more);
    const m = i32(more);
    if (e != Errno.OK) return e;
    if (m <= 0 || m > n - done) return Errno.INTERNAL;
    done += m;
  }
  return Errno.OK;
}

/** drop lets a large answer go. */
export function drop(): void {
  if (kept.byteLength > 0) kept = new ArrayBuffer(0);
}

/** answerAt and answerSize say where the taken answer lies. */
export function answerAt(): usize { return start; }
export function answerSize(): i32 { return size; }

/** answerText is the taken answer as text. */
export function answerText(): string { return decode(start, size); }

/** answerBytes is a copy of the taken answer from an offset on. */
export function answerBytes(offset: i32 = 0): Uint8Array {
  const b = new Uint8Array(size - offset);
  memory.copy(b.dataStart, start + offset, size - offset);
  return b;
}

/** answerValues reads the taken answer as a value list. */
export function answerValues(): string[] {
  const values: string[] = [];
  const end = start + size;
  for (let from = start; from + 4 <= end;) {
    const n = load<u32>(from);
    from += 4;
    if (n > u32(end - from)) break;
    values.push(decode(from, n));
    from += n;
  }
  return values;
}

/** answerValue reads the first text of the taken answer, a value list. */
export function answerValue(): string {
  if (size < 4) return "";
  const n = load<u32>(start);
  return n > u32(size - 4) ? "" : decode(start + 4, n);
}

/** answerHasToken tells whether a text of the taken answer, a value list of lists, holds a token of lower-case ASCII. */
export function answerHasToken(token: string): bool {
  const end = start + size;
  for (let from = start; from + 4 <= end;) {
    const n = load<u32>(from);
    from += 4;
    if (n > u32(end - from)) break;
    const last = from + n;
    for (let item = from; item < last;) {
      let until = item;
      while (until < last && load<u8>(until) != 0x2c) until++;
      if (isToken(item, until, token)) return true;
      item = until + 1;
    }
    from = last;
  }
  return false;
}

/** isToken compares what lies between two addresses, spaces and case aside. */
function isToken(from: usize, until: usize, token: string): bool {
  while (from < until && (load<u8>(from) == 0x20 || load<u8>(from) == 0x09)) from++;
  while (from < until && (load<u8>(until - 1) == 0x20 || load<u8>(until - 1) == 0x09)) until--;
  const n = token.length;
  if (until - from != usize(n)) return false;
  for (let i = 0; i < n; i++) {
    let c = i32(load<u8>(from + i));
    if (c >= 0x41 && c <= 0x5a) c |= 0x20;
    if (c != token.charCodeAt(i)) return false;
  }
  return true;
}

/** Header is one header; names are compared without regard to case. */
export class Header {
  constructor(public name: string, public value: string) {}
}

/** answerHeaders reads the taken answer, from an offset on, as a header block. */
export function answerHeaders(offset: i32 = 0): Header[] {
  const headers: Header[] = [];
  const end = start + size;
  let from = start + offset;
  if (from + 4 > end) return headers;
  const count = load<u32>(from);
  from += 4;
  for (let i: u32 = 0; i < count && from + 4 <= end; i++) {
    const nameSize = load<u32>(from);
    from += 4;
    if (nameSize > u32(end - from)) break;
    const name = decode(from, nameSize);
    from += nameSize;
    if (from + 4 > end) break;
    const valueSize = load<u32>(from);
    from += 4;
    if (valueSize > u32(end - from)) break;
    headers.push(new Header(name, decode(from, valueSize)));
    from += valueSize;
  }
  return headers;
}

/** typeBlock is headerBlock for a Content-Type alone, which may be empty: then there is none. */
export function typeBlock(type: string): Slice {
  used = 0;
  const most = 24 + 3 * type.length; // count, two lengths and the name's 12 bytes
  if (type.length == 0) return u64(arguments) << 32;
  if (most > ARGUMENTS) return headerBlock([new Header("Content-Type", type)]);
  store<u32>(arguments, 1);
  used = i32(appendText(appendText(arguments + 4, "Content-Type"), type) - arguments);
  return (u64(arguments) << 32) | u64(used);
}

/** headerBlock writes headers as the host takes them, as the first argument; none are no bytes at all. */
export function headerBlock(headers: Header[]): Slice {
  const count = headers.length;
  used = 0;
  if (count == 0) return u64(arguments) << 32;
  let most = 4;
  for (let i = 0; i < count; i++) most += 8 + 3 * (headers[i].name.length + headers[i].value.length);
  let block = arguments;
  if (most > ARGUMENTS) {
    const large = new ArrayBuffer(most);
    spilt.push(large);
    block = changetype<usize>(large);
  }
  store<u32>(block, count);
  let to = block + 4;
  for (let i = 0; i < count; i++) {
    to = appendText(to, headers[i].name);
    to = appendText(to, headers[i].value);
  }
  if (block == arguments) used = i32(to - block);
  return (u64(block) << 32) | u64(to - block);
}

/** valueList writes texts as the host takes them. */
export function valueList(values: string[]): ArrayBuffer {
  let n = 0;
  for (let i = 0; i < values.length; i++) n += 4 + String.UTF8.byteLength(values[i]);
  const list = new ArrayBuffer(n);
  let to = changetype<usize>(list);
  for (let i = 0; i < values.length; i++) to = appendText(to, values[i]);
  return list;
}

function appendText(to: usize, s: string): usize {
  const n = encode(s, to + 4);
  store<u32>(to, u32(n));
  return to + 4 + n;
}
