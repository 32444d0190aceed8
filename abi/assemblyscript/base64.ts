// Base 64 with padding (RFC 4648, section 4), as files that are no text travel in
// JSON.

import { decode } from "./utf8";

const letters: string = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function encodeBase64(bytes: Uint8Array): string {
  const n = bytes.length;
  const out = new Uint8Array((n + 2) / 3 * 4);
  for (let i = 0, o = 0; i < n; i += 3, o += 4) {
    const b = (u32(bytes[i]) << 16) | (i + 1 < n ? u32(bytes[i + 1]) << 8 : 0) | (i + 2 < n ? u32(bytes[i + 2]) : 0);
    out[o] = u8(letters.charCodeAt(b >> 18));
    out[o + 1] = u8(letters.charCodeAt((b >> 12) & 63));
    out[o + 2] = i + 1 < n ? u8(letters.charCodeAt((b >> 6) & 63)) : 0x3d;
    out[o + 3] = i + 2 < n ? u8(letters.charCodeAt(b & 63)) : 0x3d;
  }
  return decode(out.dataStart, out.length);
}

/** decodeBase64 decodes up to the first byte that is none of its letters. */
export function decodeBase64(text: string): Uint8Array {
  const out = new Uint8Array(text.length / 4 * 3 + 3);
  let size = 0;
  let bits: u32 = 0;
  let have = 0;
  for (let i = 0; i < text.length; i++) {
    const v = valueOf(text.charCodeAt(i));
    if (v < 0) break;
    bits = (bits << 6) | u32(v);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[size++] = u8(bits >> have);
    }
  }
  return out.subarray(0, size);
}

function valueOf(c: i32): i32 {
  if (c >= 0x41 && c <= 0x5a) return c - 0x41;
  if (c >= 0x61 && c <= 0x7a) return c - 0x47;
  if (c >= 0x30 && c <= 0x39) return c + 4;
  return c == 0x2b ? 62 : c == 0x2f ? 63 : -1;
}

/** isText tells whether bytes are UTF-8: they come back as they were. */
export function isText(bytes: Uint8Array): bool {
  const text = decode(bytes.dataStart, bytes.length);
  if (String.UTF8.byteLength(text) != bytes.length) return false;
  const again = String.UTF8.encode(text);
  return memory.compare(changetype<usize>(again), bytes.dataStart, bytes.length) == 0;
}
