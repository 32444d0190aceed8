// Which members a global has, as Node and the engine tell.

const names = (object, skipped) => Object.getOwnPropertyNames(object ?? {}).filter((k) => !skipped.includes(k) && !k.startsWith("_"));

// members lists static members as ".name" and those of objects as "name"; null means
// that there is no such global.
export const members = (name) => {
  const g = globalThis[name];
  if (g === undefined) return null;
  if (typeof g === "function" && g.prototype !== undefined) {
    const all = names(g, ["length", "name", "prototype", "caller", "arguments"]).map((k) => "." + k);
    for (let o = g.prototype; o !== null && (o === g.prototype || o !== Object.prototype); o = Object.getPrototypeOf(o)) all.push(...names(o, ["constructor"]));
    return [...new Set(all)].sort();
  }
  if (typeof g === "function") return [];
  const all = new Set();
  for (let o = g; o !== null && o !== Object.prototype; o = Object.getPrototypeOf(o)) for (const k of names(o, ["constructor"])) all.add(k);
  return [...all].sort();
};

// probe tells what a global that is there by name alone says when it is used, or null.
export const probe = async (name) => {
  let g;
  try { g = globalThis[name]; } catch (e) { return e.message; }
  try {
    if (typeof g === "function") await new g();
    else if (typeof g === "object" && g !== null && typeof g.open === "function") await g.open();
  } catch (e) { return e.code === "UNSUPPORTED" || e.name === "NotSupportedError" ? e.message : null; }
  return null;
};
