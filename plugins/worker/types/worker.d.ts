// What Workers have besides the web platform, whose declarations are TypeScript's own
// ("lib": ["ES2022", "WebWorker"]).

/** The default export of a Worker. */
interface ExportedHandler<Env = unknown> {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
}

interface ExecutionContext {
  /** Keeps the request's operations alive until the promise is settled, at most 30 seconds after the answer. */
  waitUntil(promise: Promise<unknown>): void;
  /** Has the next plugin of the chain answer when the Worker throws. */
  passThroughOnException(): void;
  readonly props: Record<string, unknown>;
}

/** A binding of sandboxes: env.NAME. */
interface SandboxNamespace {
  idFromName(name: string): SandboxId;
  idFromString(id: string): SandboxId;
  newUniqueId(): SandboxId;
  get(id: SandboxId): import("@cloudflare/sandbox").Sandbox;
  getByName(name: string): import("@cloudflare/sandbox").Sandbox;
}
interface SandboxId {
  readonly name?: string;
  toString(): string;
  equals(other: SandboxId): boolean;
}
/** The vendor's name of a binding. */
interface DurableObjectNamespace<T = unknown> extends SandboxNamespace {
  readonly " of"?: T;
}

/** What the vendor's declarations want of a Durable Object's class, where both are in use. */
declare namespace Rpc {
  interface DurableObjectBranded {}
}

/** A key-value namespace: env.KV, and what the configuration binds. */
interface KVNamespace {
  get(key: string, options?: "text" | { type?: "text"; cacheTtl?: number }): Promise<string | null>;
  get<T = unknown>(key: string, options: "json" | { type: "json"; cacheTtl?: number }): Promise<T | null>;
  get(key: string, options: "arrayBuffer" | { type: "arrayBuffer"; cacheTtl?: number }): Promise<ArrayBuffer | null>;
  get(key: string, options: "stream" | { type: "stream"; cacheTtl?: number }): Promise<ReadableStream<Uint8Array> | null>;
  get(keys: string[], options?: "text" | { type?: "text" }): Promise<Map<string, string | null>>;
  get<T = unknown>(keys: string[], options: "json" | { type: "json" }): Promise<Map<string, T | null>>;
  getWithMetadata<M = unknown>(key: string, options?: "text" | { type?: "text" }): Promise<KVWithMetadata<string, M>>;
  getWithMetadata<T = unknown, M = unknown>(key: string, options: "json" | { type: "json" }): Promise<KVWithMetadata<T, M>>;
  getWithMetadata<M = unknown>(key: string, options: "arrayBuffer" | { type: "arrayBuffer" }): Promise<KVWithMetadata<ArrayBuffer, M>>;
  getWithMetadata<M = unknown>(key: string, options: "stream" | { type: "stream" }): Promise<KVWithMetadata<ReadableStream<Uint8Array>, M>>;
  /** Stores a value of at most 256 KiB. expirationTtl is in seconds, expiration seconds since 1970. */
  put(key: string, value: string | ArrayBuffer | ArrayBufferView | ReadableStream, options?: { expirationTtl?: number; expiration?: number; metadata?: unknown }): Promise<void>;
  delete(key: string): Promise<void>;
  /** A page of keys; their metadata is told by getWithMetadata alone. */
  list(options?: { prefix?: string; limit?: number; cursor?: string }): Promise<KVList>;
}
interface KVWithMetadata<T, M> {
  value: T | null;
  metadata: M | null;
  cacheStatus: null;
}
interface KVList {
  keys: { name: string; expiration?: number }[];
  list_complete: boolean;
  cursor?: string;
}

interface Request {
  /** What the vendor's network knows of the client: nothing here. */
  readonly cf: Record<string, any>;
}
interface Response {
  /** Of a WebSocket's handshake: accept() it, or return the Response. */
  readonly webSocket: WebSocket | null;
}
interface ResponseInit {
  webSocket?: WebSocket | null;
}
interface WebSocket {
  /** Has the messages of a Response's webSocket delivered. */
  accept(): void;
}
interface ReadableStream<R> {
  [Symbol.asyncIterator](): AsyncIterableIterator<R>;
}

declare module "cloudflare:workers" {
  /** The env of fetch(). It is empty while the module is evaluated. */
  export const env: Record<string, any>;
  /** ctx.waitUntil of the request that is worked on. */
  export function waitUntil(promise: Promise<unknown>): void;
  export abstract class WorkerEntrypoint<Env = unknown> {
    protected readonly ctx: ExecutionContext;
    protected readonly env: Env;
    constructor(ctx: ExecutionContext, env: Env);
    fetch?(request: Request): Response | Promise<Response>;
  }
  /** There are none here: making one fails. */
  export abstract class DurableObject<Env = unknown> {
    protected readonly ctx: any;
    protected readonly env: Env;
    constructor(ctx: any, env: Env);
  }
}
