// UTF-8 by the rules of the WHATWG encoding standard, for what the engine's own
// functions do not do: invalid input, and input that comes in pieces.

// decodeUTF8 decodes bytes from an offset on. Each maximal part of a sequence that
// is not valid becomes one U+FFFD. It returns the text, whether there was such an
// error, and where a sequence begins that the end of the input cuts off (the length
// if there is none); that one is not in the text.
export const decodeUTF8 = (bytes, from) => {
  const parts = [];
  let units = [], bad = false, i = from, cut = bytes.length;
  const put = (point) => {
    if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + (point & 0x3ff));
    else units.push(point);
    if (units.length >= 4096) { parts.push(String.fromCharCode.apply(null, units)); units = []; }
  };
  outer: while (i < bytes.length) {
    const b = bytes[i];
    if (b < 0x80) { put(b); i++; continue; }
    let need, low = 0x80, high = 0xbf, point;
    if (b >= 0xc2 && b <= 0xdf) { need = 1; point = b & 0x1f; }
    else if (b >= 0xe0 && b <= 0xef) { need = 2; point = b & 0x0f; if (b === 0xe0) low = 0xa0; else if (b === 0xed) high = 0x9f; }
    else if (b >= 0xf0 && b <= 0xf4) { need = 3; point = b & 0x07; if (b === 0xf0) low = 0x90; else if (b === 0xf4) high = 0x8f; }
    else { bad = true; put(0xfffd); i++; continue; }
    let j = i + 1;
    for (; need > 0; need--, j++) {
      if (j >= bytes.length) { cut = i; break outer; }
      if (bytes[j] < low || bytes[j] > high) { bad = true; put(0xfffd); i = j; continue outer; }
      point = (point << 6) | (bytes[j] & 0x3f);
      low = 0x80;
      high = 0xbf;
    }
    put(point);
    i = j;
  }
  parts.push(String.fromCharCode.apply(null, units));
  return { text: parts.join(""), bad, cut };
};
