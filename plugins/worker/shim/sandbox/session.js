// Sessions: a working directory and variables that calls share.
import { call, reference } from "./handle.js";
import { Files } from "./files.js";
import { withoutInterpreter } from "./absent.js";
import { terminal } from "./terminal.js";
import { command, fill, stamped } from "./options.js";

// Session has the methods of a sandbox that are about commands and files.
export class Session extends Files {
  #env; #timeout;
  constructor(sandbox, state, timeout) {
    const { binding, id, options } = reference(sandbox);
    super(binding, id, options);
    Object.assign(this, state);
    this.#timeout = timeout;
  }

  command(line, options) {
    const fields = command(line, options);
    fields.session = this.id;
    if (this.#env !== undefined) fields.env = { ...this.#env, ...fields.env };
    if (this.#timeout !== undefined) fields.timeout ??= this.#timeout;
    return fields;
  }
  place(path) { return this.cwd === undefined || path.startsWith("/") ? path : this.cwd.endsWith("/") ? this.cwd + path : this.cwd + "/" + path; }

  terminal(request, options) { return terminal(this, request, options, this.id); }

  // setEnvVars sets variables for what is started through this handle from now on.
  setEnvVars(envVars) {
    this.#env = { ...this.#env, ...envVars };
    return Promise.resolve();
  }
}
withoutInterpreter(Session.prototype);

// sessions are the methods that a sandbox has for them.
export const sessions = {
  createSession(options) {
    const { commandTimeoutMs, name, ...rest } = options ?? {};
    const fields = fill({}, rest);
    if (fields.id === undefined && name !== undefined) fields.id = name;
    return call(this, "createSession", fields, (state) => new Session(this, state, commandTimeoutMs));
  },
  getSession(id) { return call(this, "getSession", { id }, (state) => new Session(this, state)); },
  deleteSession(id) { return call(this, "deleteSession", { id }, () => stamped({ sessionId: id })); },
};
