import { edge } from "../core/edge.js";

let seeded = false, s = 0;

// random replaces Math.random: the engine's own was seeded when the Worker was built,
// and would give the same numbers in each instance.
export const random = () => {
  if (!seeded) { seeded = true; s = new DataView(edge.random(4).buffer).getUint32(0, true) | 1; }
  s ^= s << 13; s >>>= 0; s ^= s >>> 17; s ^= s << 5; s >>>= 0;
  return s / 4294967296;
};
