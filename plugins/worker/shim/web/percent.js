// Percent-encoding as the WHATWG URL standard has it: the sets of code points that
// parts of a URL may not have as they are, and decoding that never fails.

import { decodeUTF8 } from "./utf8.js";

// Each set is a RegExp for all that must be encoded.
export const control = /[^\x20-\x7e]/gu;
export const fragment = /[^\x21\x23-\x3b\x3d\x3f-\x5f\x61-\x7e]/gu;
export const query = /[^\x21\x24-\x3b\x3d\x3f-\x7e]/gu;
export const specialQuery = /[^\x21\x24-\x26\x28-\x3b\x3d\x3f-\x7e]/gu;
export const path = /[^\x21\x24-\x3b\x3d\x40-\x5d\x5f\x61-\x7a\x7c\x7e]/gu;
export const userinfo = /[^\x21\x24-\x2e\x30-\x39\x41-\x5a\x5f\x61-\x7a\x7e]/gu;

const escape = (c) => {
  const code = c.charCodeAt(0);
  if (code > 0x7f) return encodeURIComponent(c);
  return (code < 16 ? "%0" : "%") + code.toString(16).toUpperCase();
};

// encode encodes what is in the set. The text must have no lone surrogates.
export const encode = (text, set) => text.replace(set, escape);

const hex = (c) => (c >= 48 && c < 58 ? c - 48 : c >= 65 && c < 71 ? c - 55 : c >= 97 && c < 103 ? c - 87 : -1);

// decodeBytes returns the bytes of the text, percent-decoded.
const decodeBytes = (text) => {
  const plain = encodeURIComponent(text); // ASCII, and the text's own % are %25
  const out = new Uint8Array(plain.length);
  let n = 0;
  for (let i = 0; i < plain.length; i++) {
    const c = plain.charCodeAt(i);
    if (c !== 37) { out[n++] = c; continue; }
    const byte = (hex(plain.charCodeAt(i + 1)) << 4) | hex(plain.charCodeAt(i + 2));
    i += 2;
    if (byte !== 37) { out[n++] = byte; continue; }
    const h = hex(plain.charCodeAt(i + 1)), l = hex(plain.charCodeAt(i + 2));
    if (h < 0 || l < 0) { out[n++] = 37; continue; }
    out[n++] = (h << 4) | l;
    i += 2;
  }
  return out.subarray(0, n);
};

// decode percent-decodes; bytes that are not UTF-8 become U+FFFD.
export const decode = (text) => {
  if (!text.includes("%")) return text;
  try { return decodeURIComponent(text); } catch {}
  const bytes = decodeBytes(text), { text: whole, cut } = decodeUTF8(bytes, 0);
  return cut < bytes.length ? whole + "\ufffd" : whole;
};
