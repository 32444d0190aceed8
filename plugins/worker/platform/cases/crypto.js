// crypto: random values, digests and HMAC.

const text = (s) => new TextEncoder().encode(s);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
const hmac = (hash = "SHA-256", extractable = true, usages = ["sign", "verify"], key = "key", more = {}) => crypto.subtle.importKey("raw", text(key), { name: "HMAC", hash, ...more }, extractable, usages);
const shown = (k) => [k.type, k.extractable, k.algorithm, k.usages];
const jwk = { kty: "oct", k: "a2V5" };
const importJWK = (key, hash = "SHA-256", extractable = true, usages = ["sign"]) => crypto.subtle.importKey("jwk", key, { name: "HMAC", hash }, extractable, usages);
const cases = {};

for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512", "sha-256", { name: "SHA-256" }, "SHA-224", "MD5", "", {}, null, undefined, 1]) {
  cases[`digest by ${JSON.stringify(hash)}`] = async () => hex(await crypto.subtle.digest(hash, text("abc")));
}
for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]) {
  cases[`digest of nothing by ${hash}`] = async () => hex(await crypto.subtle.digest(hash, new Uint8Array()));
  cases[`digest of much by ${hash}`] = async () => hex(await crypto.subtle.digest(hash, text("abcdefgh".repeat(20000))));
  cases[`HMAC with ${hash}`] = async () => hex(await crypto.subtle.sign("HMAC", await hmac(hash), text("The quick brown fox jumps over the lazy dog")));
  cases[`HMAC with a long key and ${hash}`] = async () => hex(await crypto.subtle.sign("HMAC", await hmac(hash, true, ["sign"], "k".repeat(300)), text("data")));
  cases[`a key made for ${hash}`] = async () => shown(await crypto.subtle.generateKey({ name: "HMAC", hash }, true, ["sign", "verify"]));
  cases[`a jwk of ${hash}`] = async () => crypto.subtle.exportKey("jwk", await hmac(hash));
  cases[`from a jwk with the alg of ${hash}`] = async () => hex(await crypto.subtle.sign("HMAC", await importJWK({ ...jwk, alg: "HS" + hash.slice(4) }, hash), text("x")));
}
for (const array of ["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array", "BigUint64Array", "Float32Array", "Float64Array"]) {
  cases[`random values for ${array}`] = () => {
    const a = new globalThis[array](8), b = crypto.getRandomValues(a);
    return [a === b, Array.from(a).some((v) => v != 0)];
  };
}

export default {
  ...cases,
  "random values without an array": () => crypto.getRandomValues(),
  "random values for an ArrayBuffer": () => crypto.getRandomValues(new ArrayBuffer(8)),
  "random values for a DataView": () => crypto.getRandomValues(new DataView(new ArrayBuffer(8))),
  "random values for an array": () => crypto.getRandomValues([1, 2]),
  "as many random values as are allowed": () => crypto.getRandomValues(new Uint8Array(65536)).length,
  "too many random values": () => crypto.getRandomValues(new Uint8Array(65537)),
  "the error of too many": () => { try { crypto.getRandomValues(new Uint32Array(16385)); } catch (e) { return [e.name, e instanceof DOMException]; } },
  "random values for a part": () => { const a = new Uint8Array(64); crypto.getRandomValues(a.subarray(32)); return [a.subarray(0, 32).every((v) => v === 0), a.subarray(32).some((v) => v !== 0)]; },
  "no random values": () => crypto.getRandomValues(new Uint8Array(0)).length,
  "random values differ": () => String(crypto.getRandomValues(new Uint8Array(16))) !== String(crypto.getRandomValues(new Uint8Array(16))),
  "a UUID": () => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()),
  "many UUIDs": () => new Set(Array.from({ length: 200 }, () => crypto.randomUUID())).size,
  "randomUUID on another object": () => { const { randomUUID } = crypto; return randomUUID.call({}); },
  "digest of an ArrayBuffer": async () => hex(await crypto.subtle.digest("SHA-1", text("abc").slice().buffer)),
  "digest of a part": async () => hex(await crypto.subtle.digest("SHA-1", text("xabcx").subarray(1, 4))),
  "digest of a DataView": async () => hex(await crypto.subtle.digest("SHA-1", new DataView(text("xabcx").slice().buffer, 1, 3))),
  "digest of an Uint16Array": async () => hex(await crypto.subtle.digest("SHA-1", new Uint16Array([1, 2, 3]))),
  "digest of a string": () => crypto.subtle.digest("SHA-1", "abc"),
  "digest of nothing at all": () => crypto.subtle.digest("SHA-1"),
  "digest gives an ArrayBuffer": async () => (await crypto.subtle.digest("SHA-1", text(""))) instanceof ArrayBuffer,
  "digest gives a promise also for errors": () => crypto.subtle.digest("nope", text("")).catch((e) => ["rejected", e.name]),
  "the error of an unknown hash": () => crypto.subtle.digest("nope", text("")).catch((e) => [e instanceof DOMException, e.name, e.code]),
  "the data may change afterwards": async () => { const d = text("abc"), p = crypto.subtle.digest("SHA-1", d); d[0] = 0; return hex(await p); },
  "a key": async () => shown(await hmac()),
  "a key with its length": async () => shown(await hmac("SHA-256", true, ["sign"], "key", { length: 24 })),
  "a key with too great a length": () => hmac("SHA-256", true, ["sign"], "key", { length: 25 }),
  "a key with too small a length": () => hmac("SHA-256", true, ["sign"], "key", { length: 16 }),
  "an empty key": () => hmac("SHA-256", true, ["sign"], ""),
  "a key without uses": () => hmac("SHA-256", true, []),
  "a key for another use": () => hmac("SHA-256", true, ["encrypt"]),
  "a key for an unknown use": () => hmac("SHA-256", true, ["fly"]),
  "a key with uses twice": async () => (await hmac("SHA-256", true, ["verify", "sign", "sign"])).usages,
  "a key without a hash": () => crypto.subtle.importKey("raw", text("key"), { name: "HMAC" }, true, ["sign"]),
  "a key of an unknown hash": () => hmac("MD5"),
  "a key of an unknown format": () => crypto.subtle.importKey("xyz", text("key"), { name: "HMAC", hash: "SHA-1" }, true, ["sign"]),
  "a key that is a string": () => crypto.subtle.importKey("raw", "key", { name: "HMAC", hash: "SHA-1" }, true, ["sign"]),
  "a key with a hash as an object": async () => shown(await hmac({ name: "SHA-384" })),
  "a key that is shorter than its bytes": async () => shown(await hmac("SHA-256", true, ["sign"], "key", { length: 20 })),
  "sign with the algorithm as an object": async () => hex(await crypto.subtle.sign({ name: "hmac" }, await hmac(), text("x"))),
  "sign with a key for verify": async () => crypto.subtle.sign("HMAC", await hmac("SHA-256", true, ["verify"]), text("x")),
  "verify with a key for sign": async () => crypto.subtle.verify("HMAC", await hmac("SHA-256", true, ["sign"]), new Uint8Array(32), text("x")),
  "sign with no key": () => crypto.subtle.sign("HMAC", {}, text("x")),
  "sign gives an ArrayBuffer": async () => (await crypto.subtle.sign("HMAC", await hmac(), text("x"))) instanceof ArrayBuffer,
  "verify": async () => { const k = await hmac(), s = await crypto.subtle.sign("HMAC", k, text("x")); return crypto.subtle.verify("HMAC", k, s, text("x")); },
  "verify other data": async () => { const k = await hmac(), s = await crypto.subtle.sign("HMAC", k, text("x")); return crypto.subtle.verify("HMAC", k, s, text("y")); },
  "verify a changed signature": async () => { const k = await hmac(), s = new Uint8Array(await crypto.subtle.sign("HMAC", k, text("x"))); s[3] ^= 1; return crypto.subtle.verify("HMAC", k, s, text("x")); },
  "verify a cut signature": async () => { const k = await hmac(), s = new Uint8Array(await crypto.subtle.sign("HMAC", k, text("x"))); return crypto.subtle.verify("HMAC", k, s.subarray(0, 16), text("x")); },
  "verify with another key": async () => { const s = await crypto.subtle.sign("HMAC", await hmac(), text("x")); return crypto.subtle.verify("HMAC", await hmac("SHA-256", true, ["verify"], "other"), s, text("x")); },
  "export as raw": async () => hex(await crypto.subtle.exportKey("raw", await hmac())),
  "export what is not extractable": async () => crypto.subtle.exportKey("raw", await hmac("SHA-256", false)),
  "export in another format": async () => crypto.subtle.exportKey("pkcs8", await hmac()),
  "export as an unknown format": async () => crypto.subtle.exportKey("xyz", await hmac()),
  "a made key of a length": async () => { const k = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 128 }, true, ["sign"]); return [...shown(k), (await crypto.subtle.exportKey("raw", k)).byteLength]; },
  "a made key of no length": () => crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 0 }, true, ["sign"]),
  "a made key without uses": () => crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1" }, true, []),
  "made keys differ": async () => { const make = async () => hex(await crypto.subtle.exportKey("raw", await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-1" }, true, ["sign"]))); return (await make()) !== (await make()); },
  "from a jwk": async () => shown(await importJWK(jwk)),
  "from a jwk of another kty": () => importJWK({ ...jwk, kty: "RSA" }),
  "from a jwk of another alg": () => importJWK({ ...jwk, alg: "HS512" }),
  "from a jwk for another use": () => importJWK({ ...jwk, use: "enc" }),
  "from a jwk with other key_ops": () => importJWK({ ...jwk, key_ops: ["verify"] }),
  "from a jwk that is not extractable": () => importJWK({ ...jwk, ext: false }),
  "from a jwk that is not extractable, taken so": async () => shown(await importJWK({ ...jwk, ext: false }, "SHA-256", false)),
  "from a jwk without k": () => importJWK({ kty: "oct" }),
  "from a jwk that is bytes": () => crypto.subtle.importKey("jwk", text("key"), { name: "HMAC", hash: "SHA-1" }, true, ["sign"]),
  "a jwk there and back": async () => hex(await crypto.subtle.exportKey("raw", await importJWK(await crypto.subtle.exportKey("jwk", await hmac("SHA-256", true, ["sign"], "\u00ff~?>")), "SHA-256"))),
  "an algorithm that nobody has": () => crypto.subtle.generateKey({ name: "nope" }, true, ["sign"]),
  "AES": async () => shown(await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"])),
  "PBKDF2": async () => shown(await crypto.subtle.importKey("raw", text("p"), "PBKDF2", false, ["deriveBits"])),
  "deriveBits with HMAC": async () => crypto.subtle.deriveBits({ name: "HMAC" }, await hmac(), 8).then(() => "made", () => "rejected"),
  "a CryptoKey by new": () => new CryptoKey(),
  "the names": () => [crypto, crypto.subtle].map((o) => Object.prototype.toString.call(o)),
  "crypto's classes": () => [crypto instanceof Crypto, crypto.subtle instanceof SubtleCrypto],
};
