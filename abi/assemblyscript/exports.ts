// What the host enters a plugin by (abi/SPEC.md, section 1). A plugin's own module
// says
//
//     export * from "edge-sdk/exports";

import * as plugin from "./plugin";

/** edge1 says which major version the module was built for; it is never called. */
export function edge1(): void {}

export function edge_init(): i32 { return plugin.init(); }

export function edge_request(request: u32): i32 {
  const result = plugin.request(request);
  tidy();
  return result;
}

export function edge_selftest(): i32 { return plugin.selfTest(); }

export function edge_event(event: u32): i32 {
  const result = plugin.event(event);
  tidy();
  return result;
}

/** EVERY is how many calls share one look for garbage. */
const EVERY: i32 = 32;
let calls: i32 = 0;
let pages: i32 = memory.size();

/**
 * tidy frees what calls left behind. The minimal runtime looks for garbage only when
 * it is told to: now, when nothing lies on the stack. Looking costs as much as all
 * that is kept, so it is done now and then, and at once when memory grew.
 */
function tidy(): void {
  if (ASC_RUNTIME != 1) return; // the incremental runtime does it by itself
  if (++calls < EVERY && memory.size() == pages) return;
  calls = 0;
  __collect();
  pages = memory.size();
}
