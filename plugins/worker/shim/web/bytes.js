// Bytes.
const isBuffer = (v) => v instanceof ArrayBuffer || typeof SharedArrayBuffer === "function" && v instanceof SharedArrayBuffer;

// bytesOf is a view of an ArrayBuffer's or a view's own bytes, else undefined.
export const bytesOf = (v) => {
  if (v instanceof Uint8Array) return v;
  if (ArrayBuffer.isView(v)) return new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
  if (isBuffer(v)) return new Uint8Array(v);
  return undefined;
};

// joined copies a list of Uint8Arrays into one.
export const joined = (list) => {
  let size = 0, at = 0;
  for (const b of list) size += b.length;
  const all = new Uint8Array(size);
  for (const b of list) { all.set(b, at); at += b.length; }
  return all;
};
