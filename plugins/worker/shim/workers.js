// The module cloudflare:workers.
import { current, waitUntil as hold } from "./core/index.js";
import { unsupported } from "./sandbox/errors.js";

export { env } from "./env.js";

// waitUntil is ctx.waitUntil of the request that is worked on.
export const waitUntil = (promise) => hold(current(), promise);

// WorkerEntrypoint is the base of a default export that is a class.
export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

const lacking = (name, suggestion) => ({ [name]: class { constructor() { throw unsupported(name, suggestion); } } })[name];
export const DurableObject = lacking("DurableObject", "keep state in a key-value namespace (grants: kv) or in a sandbox");
export const WorkflowEntrypoint = lacking("WorkflowEntrypoint", "start a process in a sandbox and wait for it");
export const RpcTarget = lacking("RpcTarget", "a Worker is called by requests alone");
export const RpcStub = lacking("RpcStub", "a Worker is called by requests alone");
