// What a case gives, as JSON that tells apart all that matters. The engine and Node
// use this very file.

const TypedArray = Object.getPrototypeOf(Uint8Array);

const show = (v, depth) => {
  switch (typeof v) {
    case "string": return v.isWellFormed() ? v : { $: "units", v: Array.from({ length: v.length }, (_, i) => v.charCodeAt(i)) };
    case "number": return Number.isFinite(v) && !Object.is(v, -0) ? v : { $: "number", v: Object.is(v, -0) ? "-0" : String(v) };
    case "boolean": return v;
    case "object": break;
    default: return { $: typeof v, v: typeof v === "function" ? undefined : String(v) };
  }
  if (v === null) return null;
  if (depth > 8) return { $: "deep" };
  const each = (x) => show(x, depth + 1);
  if (Array.isArray(v)) return Array.from(v, each);
  if (v instanceof Error || v instanceof DOMException) return { $: "error", v: v.name };
  if (v instanceof Date) return { $: "Date", v: v.getTime() };
  if (v instanceof RegExp) return { $: "RegExp", v: String(v) };
  if (v instanceof Map) return { $: "Map", v: [...v].map(each) };
  if (v instanceof Set) return { $: "Set", v: [...v].map(each) };
  if (v instanceof ArrayBuffer) return { $: "ArrayBuffer", v: Array.from(new Uint8Array(v)) };
  if (v instanceof TypedArray) return { $: v[Symbol.toStringTag], v: Array.from(v, each) };
  const out = {};
  for (const k of Object.keys(v).sort()) out[k] = each(v[k]);
  return out;
};

const thrown = (e) => ({ throws: e instanceof Error || e instanceof DOMException ? e.name : show(e, 0) });

// answer runs one case; what it throws is an answer too.
export const answer = async (f) => {
  try { return { gives: show(await f(), 0) }; } catch (e) { return thrown(e); }
};
