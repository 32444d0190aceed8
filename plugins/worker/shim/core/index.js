// What the rest of the runtime takes from the core.
export { edge } from "./edge.js";
export { current } from "./current.js";
export { start, operate } from "./calls.js";
export { fault, check } from "./errors.js";
export { log, describe, DEBUG, INFO, WARN, ERROR } from "./log.js";
export { source } from "./positions.js";
export { later, waitUntil } from "./later.js";
export { decided, acceptable } from "../web/response.js";
