// What one module instance knows of the call it is in: an instance does one thing
// at a time.

let handle: u32 = 0;

/** current is the host's handle for the request or event that is being handled, or 0. */
export function current(): u32 { return handle; }

/** enter sets it. */
export function enter(request: u32): void { handle = request; }
