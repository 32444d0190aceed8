// Internationalised domain names: the WHATWG URL standard's "domain to ASCII", by
// UTS #46 (not transitional, CheckHyphens, VerifyDnsLength and UseSTD3ASCIIRules off).
//
// The mapping has no table: it is NFKC with case folding, which the engine's own
// Unicode data does, and a list of what UTS #46 ignores or refuses besides. The rules
// of RFC 5893 for right to left and of RFC 5892 for joiners go by blocks and scripts,
// not by the classes of single characters.

const ascii = /^[\x00-\x7f]*$/;
const ignored = /[\u00ad\u034f\u180b-\u180d\u180f\u200b\u2060\u2064\ufe00-\ufe0f\ufeff\u{1bca0}-\u{1bca3}\u{e0100}-\u{e01ef}]/gu;
const refused = /[\p{Cn}\p{Co}\p{Cs}\p{Zs}\p{Zl}\p{Zp}\x80-\x9f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180e\u200e\u200f\u202a-\u202e\u2061-\u2063\u2066-\u206f\u2ff0-\u2fff\u3164\uffa0\ufff9-\ufffd\u{110bd}\u{110cd}\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;
const mark = /^\p{M}/u;

// What would map to text with a full stop, which only the ideographic one may become.
const stops = /[\u2024-\u2026\u2488-\u249b\u33c2\u33c7\u33d8\ufe12\ufe19\ufe30\ufe52\u{1f100}]/u;

// What case folding makes of letters that lower-casing leaves.
const cyrillic = "\u0432\u0434\u043e\u0441\u0442\u0442\u044a\u0463\ua64b";
const folded = (c) => {
  const code = c.charCodeAt(0);
  if (code >= 0xab70) return String.fromCharCode(code - 0xab70 + 0x13a0); // Cherokee folds to capitals
  if (code >= 0x1c80) return cyrillic[code - 0x1c80];
  return String.fromCharCode(code - 8);
};

// fold maps a string of any length; it may map again what it made.
const fold = (s) => s.replace(ignored, "")
  .replace(/[\u03a3\u03f2\u03f9\u{1d6d3}\u{1d70d}\u{1d747}\u{1d781}\u{1d7bb}]/gu, "\u03c3")
  .normalize("NFKD").toLowerCase().replace(/\u0345/g, "\u03b9").replace(/[\u13f8-\u13fd\u1c80-\u1c88\uab70-\uabbf]/g, folded)
  .normalize("NFKC").replace(/\u3002/g, ".");

// Blocks of scripts that go from right to left, but for their digits and signs.
const rightBlock = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const notRight = /[\p{Mn}\p{Cf}\u0606-\u060a\u060c\u0660-\u066c\u06de\u06e9\u06f0-\u06f9\ufd3e\ufd3f\ufd40-\ufd4f\ufdcf\ufdfc-\ufdff]/u;
const rightLetter = (c) => rightBlock.test(c) && !notRight.test(c);
const arabicDigit = /[\u0660-\u0669\u066b\u066c]/;
const virama = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1715\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\u2d7f\ua806\ua82c\ua8c4\ua953\ua9c0\uaaf6\uabed]/;

// leansRight tells whether a label has what makes its domain a bidirectional one.
const leansRight = (label) => arabicDigit.test(label) || [...label].some(rightLetter);

// bidiValid is the rule of RFC 5893, section 2, for one label of such a domain.
const bidiValid = (label) => {
  const all = [...label];
  if (all.length === 0) return true;
  const isLeft = (c) => /\p{L}/u.test(c) && !rightBlock.test(c);
  let end = all.length - 1;
  while (end > 0 && /\p{Mn}/u.test(all[end])) end--;
  const last = all[end], digit = /[0-9\u06f0-\u06f9]/;
  if (rightLetter(all[0])) {
    if (all.some(isLeft)) return false;
    if (digit.test(label) && arabicDigit.test(label)) return false;
    return rightLetter(last) || digit.test(last) || arabicDigit.test(last);
  }
  return isLeft(all[0]) && !leansRight(label) && (isLeft(last) || digit.test(last));
};

// joinersValid is ContextJ of RFC 5892, appendix A.
const joinersValid = (label) => {
  const all = [...label];
  return all.every((c, i) => {
    if (c !== "\u200c" && c !== "\u200d") return true;
    if (i > 0 && virama.test(all[i - 1])) return true;
    return c === "\u200c" && i > 0 && i < all.length - 1 && rightLetter(all[i - 1]) && rightLetter(all[i + 1]);
  });
};

const labelValid = (label) => !refused.test(label) && !mark.test(label) && label === label.normalize("NFC") &&
  (!/[\u200c\u200d]/.test(label) || joinersValid(label));

// Punycode, RFC 3492, with its parameters for IDNA.
const BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700;
const LARGEST = 0x7fffffff;

const adapt = (delta, points, first) => {
  delta = first ? Math.floor(delta / DAMP) : delta >> 1;
  delta += Math.floor(delta / points);
  let k = 0;
  for (; delta > ((BASE - TMIN) * TMAX) >> 1; k += BASE) delta = Math.floor(delta / (BASE - TMIN));
  return k + Math.floor(((BASE - TMIN + 1) * delta) / (delta + SKEW));
};
const threshold = (k, bias) => (k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias);
const digitOf = (d) => String.fromCharCode(d < 26 ? d + 97 : d + 22);

// encode returns the punycode of a label without "xn--", or null when it overflows.
const encode = (label) => {
  const input = Array.from(label, (c) => c.codePointAt(0));
  let out = input.filter((c) => c < 128).map((c) => String.fromCharCode(c)).join("");
  const basic = out.length;
  if (basic > 0) out += "-";
  let n = 128, delta = 0, bias = 72, done = basic;
  while (done < input.length) {
    let m = LARGEST;
    for (const c of input) if (c >= n && c < m) m = c;
    delta += (m - n) * (done + 1);
    if (delta > LARGEST) return null;
    n = m;
    for (const c of input) {
      if (c < n) delta++;
      if (c !== n) continue;
      let q = delta;
      for (let k = BASE; ; k += BASE) {
        const t = threshold(k, bias);
        if (q < t) break;
        out += digitOf(t + ((q - t) % (BASE - t)));
        q = Math.floor((q - t) / (BASE - t));
      }
      out += digitOf(q);
      bias = adapt(delta, done + 1, done === basic);
      delta = 0;
      done++;
    }
    delta++;
    n++;
  }
  return out;
};

// decode is the reverse of encode; null when the input is not punycode.
const decode = (text) => {
  const dash = text.lastIndexOf("-"), out = [];
  for (let i = 0; i < dash; i++) out.push(text.charCodeAt(i));
  let n = 128, bias = 72, at = 0;
  for (let i = dash < 0 ? 0 : dash + 1; i < text.length;) {
    const begun = at;
    for (let w = 1, k = BASE; ; k += BASE) {
      if (i >= text.length) return null;
      const c = text.charCodeAt(i++);
      const d = c >= 48 && c < 58 ? c - 22 : c >= 97 && c < 123 ? c - 97 : BASE;
      if (d >= BASE) return null;
      at += d * w;
      if (at > LARGEST) return null;
      const t = threshold(k, bias);
      if (d < t) break;
      w *= BASE - t;
    }
    bias = adapt(at - begun, out.length + 1, begun === 0);
    n += Math.floor(at / (out.length + 1));
    at %= out.length + 1;
    if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) return null;
    out.splice(at++, 0, n);
  }
  return String.fromCodePoint(...out);
};

// unwrap returns the label that an ASCII one stands for, null when it is not valid.
const unwrap = (label) => {
  if (!label.startsWith("xn--")) return label;
  const text = decode(label.slice(4));
  if (text === null || text === "" || ascii.test(text) || fold(text) !== text || text.includes(".")) return null;
  return labelValid(text) ? text : null;
};

// domainToASCII returns the domain in the form that goes over the wire, or null. It
// leaves ASCII that no domain may have to its caller.
export const domainToASCII = (domain) => {
  if (ascii.test(domain)) {
    domain = domain.toLowerCase();
    if (!domain.includes("xn--")) return domain;
  } else {
    if (stops.test(domain)) return null;
    domain = fold(domain);
  }
  const shown = [], wire = [];
  for (const label of domain.split(".")) {
    if (ascii.test(label)) {
      const text = unwrap(label);
      if (text === null) return null;
      shown.push(text);
      wire.push(label);
      continue;
    }
    if (label.startsWith("xn--") || !labelValid(label)) return null;
    const code = encode(label);
    if (code === null) return null;
    shown.push(label);
    wire.push("xn--" + code);
  }
  if (shown.some(leansRight) && !shown.every(bidiValid)) return null;
  return wire.join(".");
};
