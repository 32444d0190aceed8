import { log, describe, DEBUG, INFO, WARN, ERROR } from "../core/log.js";

const line = (level) => (...args) => { log(level, args.map(describe).join(" ")); };

export const console = { log: line(INFO), info: line(INFO), debug: line(DEBUG), warn: line(WARN), error: line(ERROR) };
