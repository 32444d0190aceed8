// The plugin as the host enters it.

import { Errno } from "./errors";
import * as host from "./host";
import { enter } from "./instance";
import { Json } from "./json";
import { Request } from "./request";
import { Response } from "./response";
import { Sandbox } from "./sandbox";
import { answerAt, answerSize, place, placeSize, take } from "./wire";
import { log } from "./log";

// The stub runtime frees nothing, and an instance serves for days.
if (ASC_RUNTIME == 0) ERROR("edge-sdk needs --runtime incremental or minimal: the stub runtime never frees memory");

/** SandboxEvent is what happened to a sandbox. */
export class SandboxEvent {
  constructor(readonly raw: Json) {}
  /** type is "start", "stop" or "error". */
  get type(): string { return this.raw.string("type"); }
  get binding(): string { return this.raw.string("binding"); }
  get id(): string { return this.raw.string("id"); }
  get generation(): i64 { return this.raw.integer("generation"); }
  get reason(): string { return this.raw.string("reason"); }
  get exitCode(): i32 { return i32(this.raw.integer("exitCode")); }
}

let handler: ((request: Request) => Response) | null = null;
let initHook: (() => bool) | null = null;
let selfTestHook: (() => bool) | null = null;
let eventHook: ((sandbox: Sandbox, event: SandboxEvent) => void) | null = null;

/**
 * handle makes a function the plugin's handler: it decides what becomes of one
 * request. Call it once, where the module begins.
 */
export function handle(decide: (request: Request) => Response): void { handler = decide; }

/**
 * onInit has a function run once per instance before its first request, where
 * config and log work and there is no request yet. False discards the instance.
 */
export function onInit(hook: () => bool): void { initHook = hook; }

/** onSelfTest has a function run once per loaded version, before it serves. False refuses the version. */
export function onSelfTest(hook: () => bool): void { selfTestHook = hook; }

/**
 * onSandboxEvent has a function told when a sandbox started, stopped or failed, after
 * the fact. The Sandbox is the one it happened to; to use it starts it again.
 */
export function onSandboxEvent(hook: (sandbox: Sandbox, event: SandboxEvent) => void): void { eventHook = hook; }

/** init is edge_init. */
export function init(): i32 {
  if (handler === null) {
    log.error("the plugin registered no handler: call handle where the module begins");
    return Errno.INVALID;
  }
  const hook = initHook;
  return hook === null || hook() ? Errno.OK : Errno.INTERNAL;
}

/** request is edge_request. */
export function request(handle: u32): i32 {
  const decide = handler;
  if (decide === null) return -Errno.INVALID;
  enter(handle);
  const r = new Request(handle);
  const result = decide(r).send(r);
  enter(0);
  return result;
}

/** selfTest is edge_selftest. */
export function selfTest(): i32 {
  const hook = selfTestHook;
  return hook === null || hook() ? Errno.OK : Errno.INTERNAL;
}

/** event is edge_event. */
export function event(handle: u32): i32 {
  const hook = eventHook;
  if (hook === null) return Errno.UNSUPPORTED;
  enter(handle);
  let errno = take(handle, host.eventRead(handle, place(), placeSize()));
  if (errno == Errno.OK) {
    const raw = Json.read(answerAt(), answerSize());
    if (raw === null) {
      errno = Errno.INTERNAL;
    } else {
      const e = new SandboxEvent(raw);
      hook(new Sandbox(handle, e.binding, e.id, null), e);
    }
  }
  enter(0);
  return errno;
}
