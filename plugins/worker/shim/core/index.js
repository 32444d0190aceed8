// What the rest of the runtime takes from the core.
export { edge } from "./edge.js";
export { current, origin, enter } from "./current.js";
export { start, expect, forget } from "./calls.js";
export { isOpen, owner, passThrough, waitUntil } from "./task.js";
export { check, fault } from "./errors.js";
export { log, describe, DEBUG, INFO, WARN, ERROR } from "./log.js";
export { source } from "./positions.js";
export { standFor, standing } from "../web/response.js";
export { develop } from "./developer.js";
