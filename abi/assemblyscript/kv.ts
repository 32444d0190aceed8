import { Errno, Result, failure } from "./errors";
import * as host from "./host";
import { current } from "./instance";
import { decode, utf8 } from "./utf8";
import { Json, JsonWriter } from "./json";
import { answerAt, answerBytes, answerSize, argument, drop, first, len, place, placeSize, ptr, take } from "./wire";

const GET = 1, SET = 2, DELETE = 3, LIST = 4;

/** KVValue is what a key holds. */
export class KVValue {
  constructor(readonly revision: i64, readonly bytes: Uint8Array) {}
  get text(): string { return decode(this.bytes.dataStart, this.bytes.length); }
}

/** KVEntry is one key of a list. */
export class KVEntry {
  constructor(readonly key: string, readonly revision: i64, readonly size: i32, readonly expiresAt: string) {}
}

/** KVList is some keys, in order; more tells whether there are others after them. */
export class KVList {
  constructor(readonly entries: KVEntry[], readonly more: bool) {}
}

export class SetOptions {
  /** ttl is how long the key lives, in milliseconds; 0 is for ever. */
  ttl: i64 = 0;
  /** ifRevision writes only over that revision, 0 only a key that is not there; -1 asks nothing. */
  ifRevision: i64 = -1;
}

export class KeyOptions {
  ifRevision: i64 = -1;
}

export class ListOptions {
  after: string = "";
  limit: i32 = 0;
}

function ask(verb: i32, key: string, value: usize, valueSize: i32, options: string): i32 {
  const k = first(key);
  const o = argument(options);
  return take(current(), host.kv(
    current(), verb, ptr(k), len(k), value, valueSize, ptr(o), len(o), place(), placeSize()));
}

/**
 * kv is the plugin's key-value store, as its grants name it: keys of 1 to 512 bytes,
 * values of at most 256 KiB. What it said is on disk.
 */
export namespace kv {
  /** get returns what a key holds, or null. */
  export function get(key: string): Result<KVValue | null> {
    const errno = ask(GET, key, place(), 0, "");
    if (errno == Errno.NOT_FOUND) return new Result<KVValue | null>(null, null);
    if (errno != Errno.OK) return new Result<KVValue | null>(null, failure(current(), "kv.get", errno));
    if (answerSize() < 8) return new Result<KVValue | null>(null, failure(current(), "kv.get", Errno.INTERNAL));
    const found = new KVValue(load<i64>(answerAt()), answerBytes(8));
    drop();
    return new Result<KVValue | null>(found, null);
  }

  /** set writes a text and returns its revision. With ifRevision another one is CONFLICT. */
  export function set(key: string, value: string, options: SetOptions = {}): Result<i64> {
    return setBytes(key, Uint8Array.wrap(utf8(value)), options);
  }

  /** setBytes is set for bytes. */
  export function setBytes(key: string, value: Uint8Array, options: SetOptions = {}): Result<i64> {
    const w = new JsonWriter().object().integerIf("ttl", options.ttl);
    if (options.ifRevision >= 0) w.integer("ifRevision", options.ifRevision);
    const errno = ask(SET, key, value.dataStart, value.length, w.end().toString());
    if (errno != Errno.OK) return new Result<i64>(0, failure(current(), "kv.set", errno));
    if (answerSize() < 8) return new Result<i64>(0, failure(current(), "kv.set", Errno.INTERNAL));
    return new Result<i64>(load<i64>(answerAt()), null);
  }

  /** remove deletes a key; one that is not there is no error. */
  export function remove(key: string, options: KeyOptions = {}): Result<bool> {
    const o = options.ifRevision < 0 ? "" : new JsonWriter().object().integer("ifRevision", options.ifRevision).end().toString();
    const errno = ask(DELETE, key, place(), 0, o);
    return errno == Errno.OK ? new Result<bool>(true, null) : new Result<bool>(false, failure(current(), "kv.delete", errno));
  }

  /** list lists the keys that begin with a prefix, 100 by default and at most 1,000. */
  export function list(prefix: string = "", options: ListOptions = {}): Result<KVList> {
    const o = new JsonWriter().object().textIf("after", options.after).integerIf("limit", options.limit).end().toString();
    const errno = ask(LIST, prefix, place(), 0, o);
    const entries: KVEntry[] = [];
    if (errno != Errno.OK) return new Result<KVList>(new KVList(entries, false), failure(current(), "kv.list", errno));
    const page = Json.read(answerAt(), answerSize());
    drop();
    if (page === null) return new Result<KVList>(new KVList(entries, false), failure(current(), "kv.list", Errno.INTERNAL));
    const all = page.array("entries");
    for (let i = 0; i < all.length; i++) {
      entries.push(new KVEntry(all[i].string("key"), all[i].integer("revision"), i32(all[i].integer("size")), all[i].string("expiresAt")));
    }
    return new Result<KVList>(new KVList(entries, page.bool("more")), null);
  }
}
