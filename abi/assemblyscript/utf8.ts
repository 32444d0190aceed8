// UTF-8 (RFC 3629) to AssemblyScript's UTF-16 and back. What the standard library
// decodes it does not check: a broken header would swallow the bytes after it.

/** utf8 is a text as the host takes it. A surrogate without its pair becomes U+FFFD. */
export function utf8(s: string): ArrayBuffer {
  return String.UTF8.encode(s, false, String.UTF8.ErrorMode.REPLACE);
}

/** decode reads n bytes; each byte that belongs to no character becomes U+FFFD. */
export function decode(at: usize, n: i32): string {
  if (n <= 0) return "";
  let plain = 0;
  while (plain + 8 <= n && (load<u64>(at + plain) & 0x8080808080808080) == 0) plain += 8;
  while (plain < n && load<u8>(at + plain) < 0x80) plain++;
  if (plain < n) return decodeSlowly(at, n);
  const text = changetype<string>(__new(usize(n) << 1, idof<string>()));
  const to = changetype<usize>(text);
  let i = 0;
  for (; i + 4 <= n; i += 4) { // four bytes become four units
    let four = u64(load<u32>(at + i));
    four = (four | (four << 16)) & 0x0000ffff0000ffff;
    store<u64>(to + (usize(i) << 1), (four | (four << 8)) & 0x00ff00ff00ff00ff);
  }
  for (; i < n; i++) store<u16>(to + (usize(i) << 1), load<u8>(at + i));
  return text;
}

/** decodeSlowly is decode for what is not all ASCII. */
function decodeSlowly(at: usize, n: i32): string {
  const text = changetype<string>(__new(usize(n) << 1, idof<string>())); // at most one unit a byte
  let to = changetype<usize>(text);
  const end = at + n;
  while (at < end) {
    const b = u32(load<u8>(at));
    if (b < 0x80) {
      store<u16>(to, b);
      at++;
      to += 2;
      continue;
    }
    const length = sequence(at, end);
    if (length == 0) {
      store<u16>(to, 0xfffd);
      at++;
      to += 2;
      continue;
    }
    let c: u32 = length == 2 ? b & 0x1f : length == 3 ? b & 0x0f : b & 0x07;
    for (let i = 1; i < length; i++) c = (c << 6) | (u32(load<u8>(at + i)) & 0x3f);
    at += length;
    if (c < 0x10000) {
      store<u16>(to, c);
      to += 2;
    } else {
      store<u16>(to, 0xd7c0 + (c >> 10));
      store<u16>(to + 2, 0xdc00 + (c & 0x3ff));
      to += 4;
    }
  }
  return changetype<string>(__renew(changetype<usize>(text), to - changetype<usize>(text)));
}

/** sequence is the length of the character that begins at a byte from 0x80 on, or 0. */
function sequence(at: usize, end: usize): i32 {
  const b = u32(load<u8>(at));
  const length = b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;
  if (length == 0 || at + length > end) return 0;
  for (let i = 1; i < length; i++) {
    if ((u32(load<u8>(at + i)) & 0xc0) != 0x80) return 0;
  }
  const next = u32(load<u8>(at + 1));
  if (b == 0xe0 && next < 0xa0) return 0; // overlong
  if (b == 0xed && next > 0x9f) return 0; // a surrogate
  if (b == 0xf0 && next < 0x90) return 0; // overlong
  if (b == 0xf4 && next > 0x8f) return 0; // beyond U+10FFFF
  return length;
}
