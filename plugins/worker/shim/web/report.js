// reportError (HTML standard, section 8.1.3.12): the log takes it.

import { log, describe, ERROR } from "../core/index.js";
import { need } from "./idl.js";

export const reportError = function reportError(error) {
  need(arguments.length, 1, "reportError");
  log(ERROR, `Uncaught ${describe(error)}`);
};
