// performance: the time since this isolate first asked for it.

import { expose } from "./idl.js";

// The engine's counts from an origin that was taken when the Worker was built, when
// all clocks stood at 0; in service it is the host's monotonic clock.
const clock = globalThis.performance;
let start = 0, origin = 0;

const now = () => {
  const t = clock.now();
  if (start === 0 && t !== 0) {
    start = t;
    origin = Date.now();
  }
  return t - start;
};

class Performance {
  get timeOrigin() { now(); return origin; }
  now() { return now(); }
  toJSON() { return { timeOrigin: this.timeOrigin }; }
}

expose(Performance);

export { Performance };
export const performance = new Performance();
