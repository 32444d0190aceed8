// Lines of the log.
import { edge } from "./edge.js";
import { current } from "./current.js";
import { source } from "./positions.js";

export const DEBUG = -4, INFO = 0, WARN = 4, ERROR = 8;

// log writes one line for the request that is worked on.
export const log = (level, text) => edge.log(current(), level, text, null);

// describe is an error as the log shows it, with the positions of the source.
export const describe = (e) => {
  try {
    if (e instanceof Error) return e.stack ? `${e.name}: ${e.message}\n${source(e.stack)}` : `${e.name}: ${e.message}`;
    return typeof e === "string" ? e : typeof e === "object" ? JSON.stringify(e) : String(e);
  } catch { return "a value that cannot be shown"; }
};
