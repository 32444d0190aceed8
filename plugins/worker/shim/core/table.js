// What the core takes of the language before any Worker can replace it: a Worker that
// does may break its own answers, but not get at other requests or leave them waiting.

const { get, set, delete: remove, has, forEach } = Map.prototype;
const size = Object.getOwnPropertyDescriptor(Map.prototype, "size").get;
const own = Object.getOwnPropertyDescriptors({ get, set, delete: remove, has, forEach });
own.size = { get: size };

// table is a Map whose methods are its own.
export const table = () => Object.defineProperties(new Map(), own);

export const { parse, stringify } = JSON;
export const { then } = Promise.prototype;
