// What AssemblyScript's own globals are in a plugin: asconfig.json puts these in
// their place, so that a module imports nothing but edge1.

import * as host from "./host";
import { current } from "./instance";
import { Date as StandardDate } from "date";

function line(level: i32, text: string): void {
  const b = String.UTF8.encode(text);
  host.log(current(), level, changetype<usize>(b), b.byteLength, 0, 0);
}

/** edgeAbort is what `throw` and failed assertions become: a line in the log, and a trap. */
export function edgeAbort(message: string | null = null, file: string | null = null, row: u32 = 0, column: u32 = 0): void {
  let text = message === null ? "aborted" : message;
  if (file !== null) text += " at " + file + ":" + row.toString() + ":" + column.toString();
  line(8, text);
  unreachable();
}

/** edgeTrace is trace(): a line of level debug. */
export function edgeTrace(message: string, n: i32 = 0, a0: f64 = 0, a1: f64 = 0, a2: f64 = 0, a3: f64 = 0, a4: f64 = 0): void {
  let text = message;
  if (n > 0) text += " " + a0.toString();
  if (n > 1) text += " " + a1.toString();
  if (n > 2) text += " " + a2.toString();
  if (n > 3) text += " " + a3.toString();
  if (n > 4) text += " " + a4.toString();
  line(-4, text);
}

/** edgeSeed seeds Math.random. */
export function edgeSeed(): f64 {
  const at = memory.data(8);
  host.random(at, 8);
  return load<f64>(at);
}

/** edgeConsole is console: lines in the edge's log. */
export namespace edgeConsole {
  export function log(message: string = ""): void { line(0, message); }
  export function info(message: string = ""): void { line(0, message); }
  export function debug(message: string = ""): void { line(-4, message); }
  export function warn(message: string = ""): void { line(4, message); }
  export function error(message: string = ""): void { line(8, message); }
  export function assert<T>(condition: T, message: string = ""): void {
    if (!condition) line(8, "assertion failed: " + message);
  }
}

/** EdgeDate is Date with the edge's clock. */
export class EdgeDate extends StandardDate {
  static now(): i64 {
    const at = memory.data(8);
    host.clock(0, at);
    return load<u64>(at) / 1_000_000;
  }
}
