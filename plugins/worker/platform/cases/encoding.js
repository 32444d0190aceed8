// TextEncoder and TextDecoder.

const bytes = (...list) => new Uint8Array(list);
const decode = (list, label, options) => new TextDecoder(label, options).decode(bytes(...list));
const cases = {};

const invalid = {
  "a lone lead": [0xc3], "a lone continuation": [0x80], "two of them": [0x80, 0xbf], "overlong two": [0xc0, 0x80], "overlong three": [0xe0, 0x80, 0x80], "overlong four": [0xf0, 0x80, 0x80, 0x80],
  "a surrogate": [0xed, 0xa0, 0x80], "a pair of surrogates": [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], "too high": [0xf4, 0x90, 0x80, 0x80], "no lead at all": [0xff, 0xfe], "five bytes": [0xf8, 0x88, 0x80, 0x80, 0x80],
  "cut after two of three": [0xe2, 0x82], "cut after three of four": [0xf0, 0x9f, 0x98], "cut by ASCII": [0xe2, 0x82, 0x41], "cut by another lead": [0xe2, 0xc3, 0xa9], "four cut by ASCII": [0xf0, 0x9f, 0x41], "text around": [0x61, 0xff, 0x62],
};
for (const [name, list] of Object.entries(invalid)) {
  cases[`invalid UTF-8: ${name}`] = () => decode(list);
  cases[`invalid UTF-8, fatal: ${name}`] = () => decode(list, "utf-8", { fatal: true });
  cases[`invalid UTF-8, in pieces: ${name}`] = () => {
    const d = new TextDecoder(), out = [];
    for (const b of list) out.push(d.decode(bytes(b), { stream: true }));
    return [...out, d.decode()];
  };
}
for (const label of ["utf-8", "UTF8", " utf-8\n", "unicode-1-1-utf-8", "utf-16", "utf-16le", "utf-16be", "ucs-2", "latin1", "ascii", "iso-8859-1", "windows-1252", "us-ascii", "l1", "cp1252", "utf-7", "", "nope", "utf-8 x", undefined, null]) {
  cases[`label ${JSON.stringify(label)}`] = () => new TextDecoder(label).encoding;
}
for (const text of ["", "abc", "\u0000", "\u00e9", "\u20ac", "\u{1f600}", "a\ud800b", "\udc00", "\ud83d\ude00\ud83d", "\uffff", "\ufeff"]) {
  const name = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16)).join(" ");
  cases[`encode ${name}`] = () => new TextEncoder().encode(text);
  cases[`encode and decode ${name}`] = () => new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
  for (const room of [0, 1, 2, 3, 5]) {
    cases[`encodeInto ${name} with room for ${room}`] = () => {
      const to = new Uint8Array(room);
      return [new TextEncoder().encodeInto(text, to), to];
    };
  }
}

export default {
  ...cases,
  "encode nothing": () => new TextEncoder().encode(),
  "encode undefined": () => new TextEncoder().encode(undefined),
  "encode null": () => new TextEncoder().encode(null),
  "encode a number": () => new TextEncoder().encode(12),
  "encode a symbol": () => new TextEncoder().encode(Symbol()),
  "encode much": () => { const b = new TextEncoder().encode("a\u00e9\u{1f600}".repeat(20000)); return [b.length, b[0], b.at(-1)]; },
  "encoded bytes own their buffer": () => { const b = new TextEncoder().encode("abc"); return [b.byteOffset, b.buffer.byteLength >= 3, b.constructor === Uint8Array]; },
  "encodeInto an ArrayBuffer": () => new TextEncoder().encodeInto("a", new ArrayBuffer(2)),
  "encodeInto with one argument": () => new TextEncoder().encodeInto("a"),
  "encodeInto a part of a buffer": () => { const b = new Uint8Array(5); return [new TextEncoder().encodeInto("ab", b.subarray(2, 4)), b]; },
  "encodeInto much": () => { const b = new Uint8Array(1000); return [new TextEncoder().encodeInto("\u00e9".repeat(700), b), b.at(-1)]; },
  "the encoder's encoding": () => new TextEncoder("latin1").encoding,
  "the decoder's properties": () => { const d = new TextDecoder("utf-8", { fatal: 1, ignoreBOM: "" }); return [d.encoding, d.fatal, d.ignoreBOM]; },
  "the decoder's encoding cannot be set": () => { new TextDecoder().encoding = "x"; },
  "decode nothing": () => new TextDecoder().decode(),
  "decode undefined": () => new TextDecoder().decode(undefined),
  "decode null": () => new TextDecoder().decode(null),
  "decode a string": () => new TextDecoder().decode("abc"),
  "decode an array": () => new TextDecoder().decode([97]),
  "decode an ArrayBuffer": () => new TextDecoder().decode(bytes(97, 98).buffer),
  "decode a DataView": () => new TextDecoder().decode(new DataView(bytes(97, 98, 99, 100).buffer, 1, 2)),
  "decode an Uint16Array": () => new TextDecoder().decode(new Uint16Array([0x6261, 0x6463])),
  "decode a part of a buffer": () => new TextDecoder().decode(bytes(97, 98, 99, 100).subarray(1, 3)),
  "a byte order mark": () => decode([0xef, 0xbb, 0xbf, 0x61]),
  "a byte order mark that is kept": () => decode([0xef, 0xbb, 0xbf, 0x61], "utf-8", { ignoreBOM: true }).length,
  "two byte order marks": () => decode([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf]).length,
  "a byte order mark in the middle": () => decode([0x61, 0xef, 0xbb, 0xbf]).length,
  "a byte order mark in pieces": () => { const d = new TextDecoder(); return [0xef, 0xbb, 0xbf, 0x61].map((b) => d.decode(bytes(b), { stream: true })).join(""); },
  "a byte order mark each time": () => { const d = new TextDecoder(); return [d.decode(bytes(0xef, 0xbb, 0xbf, 0x61)), d.decode(bytes(0xef, 0xbb, 0xbf, 0x62))]; },
  "a byte order mark after a stream": () => { const d = new TextDecoder(); d.decode(bytes(0x61), { stream: true }); d.decode(); return d.decode(bytes(0xef, 0xbb, 0xbf, 0x62)).length; },
  "a stream in odd pieces": () => {
    const d = new TextDecoder(), all = new TextEncoder().encode("h\u00e9llo \u20ac \u{1f600}!");
    let s = "";
    for (let i = 0; i < all.length; i += 2) s += d.decode(all.subarray(i, i + 2), { stream: true });
    return s + d.decode();
  },
  "a stream that is not finished": () => { const d = new TextDecoder(); return [d.decode(bytes(0xe2, 0x82), { stream: true }), d.decode(bytes(0xac))]; },
  "a fatal stream that is not finished": () => { const d = new TextDecoder("utf-8", { fatal: true }); d.decode(bytes(0xe2, 0x82), { stream: true }); return d.decode(); },
  "a decoder after a fatal error": () => { const d = new TextDecoder("utf-8", { fatal: true }); try { d.decode(bytes(0xff)); } catch {} return d.decode(bytes(0x61)); },
  "a decoder that is used again": () => { const d = new TextDecoder(); d.decode(bytes(0xe2)); return d.decode(bytes(0x61)); },
  "decode much": () => { const t = "a\u00e9\u{1f600}".repeat(20000); return new TextDecoder().decode(new TextEncoder().encode(t)) === t; },
  "decode zeroes": () => decode([0, 0x61, 0]),
  "replacement characters that are meant": () => decode([0xef, 0xbf, 0xbd, 0x61], "utf-8", { fatal: true }),
  "UTF-16 little endian": () => decode([0x61, 0, 0x3d, 0xd8, 0x00, 0xde], "utf-16le"),
  "UTF-16 big endian": () => decode([0, 0x61, 0xd8, 0x3d, 0xde, 0x00], "utf-16be"),
  "UTF-16 with a byte order mark": () => decode([0xff, 0xfe, 0x61, 0], "utf-16le"),
  "UTF-16 with the other's byte order mark": () => decode([0xfe, 0xff, 0x61, 0], "utf-16le"),
  "UTF-16 with half a character": () => decode([0x61, 0, 0x62], "utf-16le"),
  "UTF-16 with a lone surrogate": () => decode([0x3d, 0xd8, 0x61, 0], "utf-16le"),
  "UTF-16 with a lone surrogate, fatal": () => decode([0x3d, 0xd8, 0x61, 0], "utf-16le", { fatal: true }),
  "UTF-16 in pieces": () => { const d = new TextDecoder("utf-16le"); return [0x3d, 0xd8, 0x00, 0xde, 0x61, 0].map((b) => d.decode(bytes(b), { stream: true })).join("") + d.decode(); },
  "windows-1252": () => decode(Array.from({ length: 256 }, (_, i) => i), "windows-1252"),
  "latin1 is windows-1252": () => decode([0x80, 0xe9], "latin1"),
  "options that are none": () => new TextDecoder("utf-8", 1),
  "called without new": () => TextDecoder(),
  "the names": () => [new TextEncoder(), new TextDecoder()].map((o) => Object.prototype.toString.call(o)),
  "a method on another object": () => TextDecoder.prototype.decode.call({}, bytes(97)),
};
