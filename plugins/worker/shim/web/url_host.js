// Hosts of URLs: names, IPv4 and IPv6 addresses, and what stands for a host in a URL
// whose scheme is not special (WHATWG URL standard, section 3).

import { domainToASCII } from "./idna.js";
import { control, decode, encode } from "./percent.js";

const forbidden = /[\x00\t\n\r #/:<>?@[\\\]^|]/;
const forbiddenInDomain = /[\x00-\x20#/:<>?@[\\\]^|%\x7f]/;

// number reads a part of an IPv4 address: decimal, octal after 0 or hexadecimal
// after 0x. NaN if it is none.
const number = (text) => {
  if (text === "") return NaN;
  if (/^0x/i.test(text)) return text.length === 2 ? 0 : /^0x[0-9a-f]+$/i.test(text) ? parseInt(text, 16) : NaN;
  if (text.length > 1 && text[0] === "0") return /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN;
  return /^[0-9]+$/.test(text) ? parseInt(text, 10) : NaN;
};

const endsInNumber = (host) => {
  const parts = host.split(".");
  if (parts.at(-1) === "") {
    if (parts.length === 1) return false;
    parts.pop();
  }
  const last = parts.at(-1);
  return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last);
};

// parseIPv4 returns the address in its usual form, or null.
const parseIPv4 = (host) => {
  const parts = host.split(".");
  if (parts.at(-1) === "" && parts.length > 1) parts.pop();
  if (parts.length > 4) return null;
  const numbers = parts.map(number);
  const last = numbers.pop();
  if (numbers.some((n) => !(n <= 255)) || !(last < 256 ** (4 - numbers.length))) return null;
  let address = last;
  numbers.forEach((n, i) => { address += n * 256 ** (3 - i); });
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
};

// embedded reads the IPv4 address at the end of an IPv6 one: four bytes, or null.
const embedded = (text) => {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9][0-9]{0,2})$/.test(p) && p <= 255)) return null;
  return parts.map(Number);
};

// parseIPv6 returns the eight pieces of an address without brackets, or null.
const parseIPv6 = (text) => {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const read = (half, isLast) => {
    if (half === "") return [];
    const out = [], parts = half.split(":");
    for (const [i, part] of parts.entries()) {
      if (/^[0-9a-f]{1,4}$/i.test(part)) { out.push(parseInt(part, 16)); continue; }
      const v4 = isLast && i === parts.length - 1 ? embedded(part) : null;
      if (v4 === null) return null;
      out.push(v4[0] * 256 + v4[1], v4[2] * 256 + v4[3]);
    }
    return out;
  };
  const head = read(halves[0], halves.length === 1);
  if (halves.length === 1) return head !== null && head.length === 8 ? head : null;
  const tail = read(halves[1], true);
  if (head === null || tail === null || head.length + tail.length > 7) return null;
  return [...head, ...new Array(8 - head.length - tail.length).fill(0), ...tail];
};

const formatIPv6 = (pieces) => {
  let best = -1, longest = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && pieces[i + n] === 0) n++;
    if (n > longest) { best = i; longest = n; }
  }
  const hex = (list) => list.map((n) => n.toString(16)).join(":");
  if (best < 0) return `[${hex(pieces)}]`;
  return `[${hex(pieces.slice(0, best))}::${hex(pieces.slice(best + longest))}]`;
};

// parseHost returns the host as it is written in a URL, or null if it is not valid.
// special tells whether the URL's scheme is http or another of that kind.
export const parseHost = (input, special) => {
  if (input[0] === "[") {
    const pieces = input.at(-1) === "]" ? parseIPv6(input.slice(1, -1)) : null;
    return pieces === null ? null : formatIPv6(pieces);
  }
  if (!special) return forbidden.test(input) ? null : encode(input, control);
  if (input === knownInput) return known;
  let host = domainToASCII(decode(input));
  if (host === null || host === "" || forbiddenInDomain.test(host)) return null;
  if (endsInNumber(host)) host = parseIPv4(host);
  knownInput = input;
  known = host;
  return host;
};

// The name that was parsed last, and what came of it: mostly the next is the same.
let knownInput = "", known = null;
