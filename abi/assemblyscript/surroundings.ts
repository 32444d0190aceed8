import { Errno, Result, meaning } from "./errors";
import * as host from "./host";
import { Json } from "./json";
import { answerAt, answerSize, answerText, drop, errnoOf, first, len, place, placeSize, ptr, take, valueList } from "./wire";

/** config is one value of the plugin's "config:", or null if there is no such key. */
export function config(key: string): Json | null {
  const k = first(key);
  const errno = take(0, host.configGet(ptr(k), len(k), place(), placeSize()));
  if (errno != Errno.OK) return null;
  const value = Json.read(answerAt(), answerSize());
  drop();
  return value;
}

/** secret is one of the plugin's "secrets:", or null if there is none of that name. */
export function secret(name: string): string | null {
  const n = first(name);
  const errno = take(0, host.secretGet(ptr(n), len(n), place(), placeSize()));
  return errno == Errno.OK ? answerText() : null;
}

/** feature tells whether this edge has the named function of the ABI. */
export function feature(name: string): bool {
  const n = first(name);
  const result = host.feature(ptr(n), len(n));
  return errnoOf(result) == Errno.OK && i32(result) == 1;
}

/** now is the time in nanoseconds since the Unix epoch. */
export function now(): u64 {
  host.clock(0, place());
  return load<u64>(place());
}

/** monotonic is a clock that nobody sets, in nanoseconds. */
export function monotonic(): u64 {
  host.clock(1, place());
  return load<u64>(place());
}

/** random is n bytes fit for secrets, at most 65,536. */
export function random(n: i32): Uint8Array {
  const b = new Uint8Array(n);
  const errno = errnoOf(host.random(b.dataStart, n));
  if (errno != Errno.OK) throw new Error(meaning("random", errno).toString());
  return b;
}

/**
 * count adds to a counter of the plugin, which the edge shows at /metrics. Labels are
 * name, value, name, value; at most four pairs.
 */
export function count(name: string, value: f64 = 1, labels: string[] = []): Result<bool> {
  const n = first(name);
  const list = valueList(labels);
  return metric("count " + name, host.count(ptr(n), len(n), changetype<usize>(list), list.byteLength, value));
}

/** observe adds an observation to a histogram of the plugin. */
export function observe(name: string, value: f64, labels: string[] = []): Result<bool> {
  const n = first(name);
  const list = valueList(labels);
  return metric("observe " + name, host.observe(ptr(n), len(n), changetype<usize>(list), list.byteLength, value));
}

function metric(call: string, result: i64): Result<bool> {
  const errno = errnoOf(result);
  return errno == Errno.OK ? new Result<bool>(true, null) : new Result<bool>(false, meaning(call, errno));
}
