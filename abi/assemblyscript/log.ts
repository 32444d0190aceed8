import * as host from "./host";
import { current } from "./instance";
import { first, len, ptr, valueList } from "./wire";

function line(level: i32, message: string, fields: string[]): void {
  const m = first(message);
  if (fields.length % 2 != 0) fields.push("");
  const list = valueList(fields);
  // A line that cannot be written is lost: there is nowhere to say so.
  host.log(current(), level, ptr(m), len(m), changetype<usize>(list), list.byteLength);
}

/** log writes lines to the edge's log. Fields are key, value, key, value; a line is cut at 8 KiB. */
export namespace log {
  export function debug(message: string, fields: string[] = []): void { line(-4, message, fields); }
  export function info(message: string, fields: string[] = []): void { line(0, message, fields); }
  export function warn(message: string, fields: string[] = []): void { line(4, message, fields); }
  export function error(message: string, fields: string[] = []): void { line(8, message, fields); }
}
