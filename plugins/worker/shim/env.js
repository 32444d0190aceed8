// env and ctx: what a Worker is given besides its request.
import { develop, edge, passThrough, waitUntil } from "./core/index.js";
import { KVNamespace } from "./kv.js";
import { getSandbox, nameBindings } from "./sandbox/sandbox.js";
import { invalid } from "./sandbox/errors.js";

const hex = (bytes) => { let s = ""; for (const b of bytes) s += b.toString(16).padStart(2, "0"); return s; };

// SandboxId is what a binding's idFromName gives: a sandbox's id.
class SandboxId {
  #id;
  constructor(id) { this.#id = id; }
  get name() { return this.#id; }
  toString() { return this.#id; }
  equals(other) { return other instanceof SandboxId && other.#id === this.#id; }
}

// SandboxBinding is a binding of sandboxes, with the methods of the vendor's
// namespaces.
class SandboxBinding {
  #name; #alias; // in the configuration, and in env
  constructor(name, alias) { this.#name = name; this.#alias = alias; }
  static { nameBindings((b) => typeof b === "object" && b !== null && #name in b ? b.#name : undefined, (b) => b.#alias); }
  idFromName(name) { return new SandboxId(String(name)); }
  idFromString(id) { return new SandboxId(String(id)); }
  newUniqueId() { return new SandboxId(hex(edge.random(16))); }
  get(id) { return getSandbox(this, String(id)); }
  getByName(name) { return getSandbox(this, String(name)); }
  jurisdiction() { throw invalid("jurisdiction", "an edge runs its sandboxes where it runs: take the binding itself"); }
}

// env is the one object of an instance; it is empty until the instance starts.
export const env = {};

const secret = (name) => {
  let value; // the edge is asked once
  return {
    get() {
      if (value !== undefined) return value;
      const text = edge.secret_get(name);
      if (typeof text !== "string") throw invalid("env", `the secret ${name} cannot be read`);
      return value = text;
    }, enumerable: true, configurable: true,
  };
};

const set = (name, value) => Object.defineProperty(env, name, { value, writable: true, enumerable: true, configurable: true });

// environment fills env with what the plugin is granted (environment, abi/SPEC.md): no
// name stands for two of them.
export const environment = () => {
  const text = edge.environment();
  const { config, secrets, kv, sandboxes, development } = typeof text === "string" ? JSON.parse(text) : {};
  for (const name in config) set(name, config[name]);
  for (const name of secrets ?? []) Object.defineProperty(env, name, secret(name));
  for (const name in kv) set(name, new KVNamespace(kv[name]));
  for (const name in sandboxes) set(name, new SandboxBinding(sandboxes[name], name));
  if (development === true) develop();
  return env;
};

// ExecutionContext is ctx.
class ExecutionContext {
  #req;
  constructor(req) { this.#req = req; }
  waitUntil(promise) { waitUntil(this.#req, promise); }
  // passThroughOnException has the next plugin of the chain answer when the Worker throws.
  passThroughOnException() { passThrough(this.#req); }
  get props() { return {}; }
}

// context is the ctx of fetch() for a request.
export const context = (req) => new ExecutionContext(req);
