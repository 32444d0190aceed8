import { edge } from "../core/edge.js";
import { isBuilding } from "./top_level.js";

let a = 0, b = 0, c = 0, count = 0; // all 0: there is no seed yet

const seed = () => {
  const bytes = edge.random(12);
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  a = v.getUint32(0, true);
  b = v.getUint32(4, true);
  c = v.getUint32(8, true);
  count = 1;
  for (let i = 0; i < 12; i++) next();
};

// next is sfc32: small and fast, and good for all but secrets.
const next = () => {
  const t = (a + b + count) | 0;
  count = (count + 1) | 0;
  a = b ^ (b >>> 9);
  b = (c + (c << 3)) | 0;
  c = (((c << 21) | (c >>> 11)) + t) | 0;
  return t >>> 0;
};

// random replaces Math.random: the engine's own was seeded when the Worker was built,
// and would give the same numbers in each instance.
export const random = () => {
  if (count === 0) {
    if (isBuilding()) return 0.5; // there is no randomness yet
    seed();
  }
  return next() / 4294967296;
};
