// A sandbox as Workers see it: every operation of the edge is a method. Nothing starts
// before one needs it.
import { Handle, call, replace } from "./handle.js";
import { Files } from "./files.js";
import { sessions } from "./session.js";
import { fill } from "./options.js";
import { connectable } from "./ports.js";
import { tunnels, withoutInterpreter } from "./absent.js";
import { invalid } from "./errors.js";
import { defaultsOf, over } from "./classes.js";

// bindingName is the name of the binding that env gave; env.js sets it.
let bindingName = (binding) => typeof binding === "string" ? binding : undefined;
let aliasOf = (binding) => binding; // the name in env
export const nameBindings = (name, alias) => { bindingName = name; aliasOf = alias; };

// sandboxOptions are the edge's of the vendor's: a number of sleepAfter is seconds, as
// it is there, and what the edge has no need of is left out.
const sandboxOptions = (options) => {
  if (options === undefined || options === null) return undefined;
  const { sleepAfter, keepAlive, env, envVars, labels } = options, chosen = {};
  if (sleepAfter !== undefined) chosen.sleepAfter = span(sleepAfter);
  if (keepAlive !== undefined) chosen.keepAlive = keepAlive;
  if (env !== undefined || envVars !== undefined) chosen.env = env ?? envVars;
  if (labels !== undefined) chosen.labels = labels;
  return chosen;
};
const span = (sleepAfter) => typeof sleepAfter === "number" ? sleepAfter * 1000 : sleepAfter;

const nothing = () => undefined;
const { construct } = Reflect;

export class Sandbox extends Files {
  constructor(binding, id, options) { super(binding, id, sandboxOptions(options)); }

  start() { return call(this, "start", {}); }
  // stop takes a signal or {signal, grace}.
  stop(options) { return call(this, "stop", typeof options === "object" ? fill({}, options) : { signal: options }); }
  pause() { return call(this, "pause", {}); }
  resume() { return call(this, "resume", {}); }
  destroy() { return call(this, "destroy", {}, nothing); }
  touch() { return call(this, "touch", {}); }
  getState() { return call(this, "getState", {}); }
  inspect() { return call(this, "inspect", {}); }
  // setEnvVars sets variables; undefined and null unset one.
  setEnvVars(envVars) {
    const all = {};
    for (const name in envVars) all[name] = envVars[name] ?? null;
    return call(this, "setEnvVars", { envVars: all }, nothing);
  }

  // Settings of this handle, which its next calls take along; touch is one that
  // starts nothing.
  setSleepAfter(sleepAfter) {
    replace(this, { sleepAfter: span(sleepAfter), keepAlive: undefined });
    return call(this, "touch", {}, nothing);
  }
  setKeepAlive(keepAlive) {
    replace(this, { keepAlive });
    return call(this, "touch", {}, nothing);
  }
  setLabels(labels) {
    replace(this, { labels });
    return Promise.resolve();
  }
  // Settings of the vendor's that have no counterpart: the edge needs none of them.
  setContainerTimeouts() { return Promise.resolve(); }
  setTransport() { return Promise.resolve(); }
  getContainerPlacementId() { return Promise.resolve(null); }

  get tunnels() { return tunnels; }
}
for (const part of [sessions, connectable]) {
  for (const name of Object.keys(part)) Object.defineProperty(Sandbox.prototype, name, { value: part[name], writable: true, configurable: true });
}
withoutInterpreter(Sandbox.prototype);

// getSandbox is the sandbox of an id under a binding of env.
export const getSandbox = (binding, id, options) => {
  const name = bindingName(binding);
  if (name === undefined) {
    throw invalid("getSandbox", "the first argument is no sandbox binding: give env.NAME, NAME being one of the configuration's sandboxes that the plugin is granted", "UNKNOWN_BINDING");
  }
  const said = defaultsOf(binding, name, aliasOf);
  if (said !== undefined) return settled(name, String(id), said, options);
  return construct(Handle, [name, typeof id === "string" ? id : String(id), options === undefined ? undefined : sandboxOptions(options)], Sandbox); // without the constructors in between
};

// settled is the sandbox of a class that extends Sandbox, as a handle of the edge's own.
const settled = (name, id, said, options) => {
  const h = construct(Handle, [name, id, sandboxOptions(over(said, options))], Sandbox);
  if (said.defaultPort !== undefined) h.defaultPort = said.defaultPort;
  return h;
};
