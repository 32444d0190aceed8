// Bytes and text.
import { edge } from "../core/edge.js";
import { TextDecoder } from "./encoding.js";

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

// utf8 decodes bytes as bodies are (Encoding Standard, "UTF-8 decode"): without a
// byte order mark, and with U+FFFD for what is not valid.
export const utf8 = (bytes) => {
  if (bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
  const s = edge.utf8_decode(bytes);
  return s.includes("\ufffd") ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : s; // the engine's replacements may be others
};
