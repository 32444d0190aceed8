// crypto (W3C Web Cryptography): random values, digests and HMAC, by the host's own
// code. Every other algorithm is refused by name.

import { edge, check } from "../core/index.js";
import { expose, need } from "./idl.js";
import { notAtTopLevel } from "./top_level.js";
import { memoryOf } from "./encoding.js";

const hashes = { __proto__: null, "SHA-1": { id: 1, block: 64 }, "SHA-256": { id: 2, block: 64 }, "SHA-384": { id: 3, block: 128 }, "SHA-512": { id: 4, block: 128 } };
const KEYED = 16; // the flag of an HMAC with an empty key
const PIECE = 16384; // bytes that the host gives at a time

const integers = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array];

const fill = (bytes, what) => {
  notAtTopLevel(what);
  for (let i = 0; i < bytes.length; i += PIECE) bytes.set(check(edge.random(Math.min(PIECE, bytes.length - i))), i);
};

const wrong = (text, name) => new DOMException(text, name);

// hashOf returns the table's row of an algorithm's name or {name}.
const nameOf = (algorithm) => {
  if (typeof algorithm === "object" && algorithm !== null) {
    if (algorithm.name === undefined) throw new TypeError("the algorithm has no name");
    algorithm = algorithm.name;
  }
  return `${algorithm}`.toUpperCase();
};
const hashOf = (algorithm) => {
  const name = nameOf(algorithm);
  if (hashes[name] === undefined) throw wrong(`${name} is not supported: use SHA-1, SHA-256, SHA-384 or SHA-512`, "NotSupportedError");
  return { name, ...hashes[name] };
};

const bufferOf = (bytes) => bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;

const isBytes = (v) => ArrayBuffer.isView(v) || v instanceof ArrayBuffer;

// later runs a function as a promise does: what it throws is a rejection.
const promised = (f) => new Promise((resolve) => { resolve(f()); });

// secrets has the bytes of keys: a key that is not extractable shows them nowhere.
const secrets = new WeakMap();

let make;

export class CryptoKey {
  #type; #extractable; #algorithm; #usages;
  constructor(token, extractable, algorithm, usages) {
    if (token !== make) throw new TypeError("Illegal constructor");
    this.#type = "secret";
    this.#extractable = extractable;
    this.#algorithm = algorithm;
    this.#usages = usages;
  }
  get type() { return this.#type; }
  get extractable() { return this.#extractable; }
  get algorithm() { return this.#algorithm; }
  get usages() { return this.#usages; }
}
make = Symbol("CryptoKey");

const uses = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
const usesOf = (list) => Array.from(list, (u) => {
  u = String(u);
  if (!uses.includes(u)) throw new TypeError(`${u} is no use of a key`);
  return u;
});

const formatOf = (format) => {
  if (!["raw", "jwk", "spki", "pkcs8"].includes(`${format}`)) throw new TypeError(`${format} is no format of keys`);
  if (format !== "raw" && format !== "jwk") throw wrong(`a key for HMAC has the format raw or jwk, not ${format}`, "NotSupportedError");
};

const keyOf = (hash, bytes, bits, extractable, usages) => {
  const allowed = ["sign", "verify"];
  for (const u of usages) if (!allowed.includes(u)) throw wrong(`a key for HMAC cannot be used to ${u}`, "SyntaxError");
  if (usages.length === 0) throw wrong("a key needs at least one use, sign or verify", "SyntaxError");
  const key = new CryptoKey(make, extractable, { name: "HMAC", length: bits, hash: { name: hash.name } }, allowed.filter((u) => usages.includes(u)));
  secrets.set(key, bytes);
  return key;
};

const onlyHMAC = (algorithm) => {
  const name = nameOf(algorithm);
  if (name !== "HMAC") throw wrong(`${name} is not supported: keys are for HMAC`, "NotSupportedError");
  return hashOf(algorithm.hash ?? {});
};

// lengthOf checks a key's length in bits, which may be a few less than its bytes have.
const lengthOf = (wanted, bytes) => {
  const bits = bytes.length * 8;
  if (bits === 0) throw wrong("a key for HMAC cannot be empty", "DataError");
  if (wanted === undefined) return bits;
  if (wanted > bits || wanted <= bits - 8) throw wrong(`a key of ${bits} bits cannot have the length ${wanted}`, "DataError");
  return wanted;
};

const usable = (algorithm, key, use) => {
  if (!(key instanceof CryptoKey)) throw new TypeError(`${use} needs a CryptoKey`);
  const name = nameOf(algorithm);
  if (name !== "HMAC") throw wrong(`${name} is not supported: ${use} with HMAC`, "NotSupportedError");
  if (!key.usages.includes(use)) throw wrong(`the key is not allowed to ${use}`, "InvalidAccessError");
};

// hashed is a digest, or an HMAC when there is a key.
const hashed = (id, key, data, what) => {
  notAtTopLevel(what);
  return check(edge.digest(id, key, memoryOf(data, what)));
};

const hmac = (key, data) => hashed(hashes[key.algorithm.hash.name].id + KEYED, secrets.get(key), data, "HMAC");

const sameBytes = (a, b) => {
  let d = 0;
  for (let i = 0; i < a.length; i++) d |= a[i] ^ b[i];
  return d === 0;
};

const toBase64URL = (bytes) => {
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};
const fromBase64URL = (text) => {
  if (typeof text !== "string" || /[^A-Za-z0-9_-]/.test(text)) throw wrong("the key's k is not base64url", "DataError");
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  } catch { throw wrong("the key's k is not base64url", "DataError"); }
};

const fromJWK = (jwk, hash, extractable, usages) => {
  if (typeof jwk !== "object" || jwk === null || isBytes(jwk)) throw new TypeError("a key in the format jwk is an object");
  if (jwk.kty !== "oct") throw wrong("the key's kty must be oct", "DataError");
  const alg = "HS" + hash.name.slice(4);
  if (jwk.alg !== undefined && jwk.alg !== alg) throw wrong(`the key's alg must be ${alg}`, "DataError");
  if (jwk.use !== undefined && jwk.use !== "sig" && usages.length > 0) throw wrong("the key's use must be sig", "DataError");
  if (jwk.key_ops !== undefined && !usages.every((u) => jwk.key_ops.includes(u))) throw wrong("the key's key_ops do not have all that is asked for", "DataError");
  if (jwk.ext === false && extractable) throw wrong("the key is not extractable", "DataError");
  return fromBase64URL(jwk.k);
};

const notThere = (name) => function () {
  return Promise.reject(wrong(`crypto.subtle.${name} is not supported: use digest, or sign and verify with HMAC`, "NotSupportedError"));
};

export class SubtleCrypto {
  constructor(token) { if (token !== make) throw new TypeError("Illegal constructor"); }

  digest(algorithm, data) {
    return promised(() => {
      need(arguments.length, 2, "crypto.subtle.digest");
      const hash = hashOf(algorithm);
      return bufferOf(hashed(hash.id, null, data, "crypto.subtle.digest"));
    });
  }

  importKey(format, data, algorithm, extractable, usages) {
    return promised(() => {
      need(arguments.length, 5, "crypto.subtle.importKey");
      usages = usesOf(usages);
      formatOf(format);
      const hash = onlyHMAC(algorithm);
      if (format === "raw" && !isBytes(data)) throw new TypeError("a key in the format raw is an ArrayBuffer or a view of one");
      const bytes = format === "raw" ? memoryOf(data, "importKey").slice() : fromJWK(data, hash, Boolean(extractable), usages);
      return keyOf(hash, bytes, lengthOf(algorithm.length, bytes), Boolean(extractable), usages);
    });
  }

  generateKey(algorithm, extractable, usages) {
    return promised(() => {
      need(arguments.length, 3, "crypto.subtle.generateKey");
      usages = usesOf(usages);
      const hash = onlyHMAC(algorithm), bits = algorithm.length ?? hash.block * 8;
      if (!(bits > 0 && bits <= 65536)) throw wrong(`a key cannot have the length ${bits}`, "OperationError");
      const bytes = new Uint8Array(Math.ceil(bits / 8));
      fill(bytes, "crypto.subtle.generateKey");
      return keyOf(hash, bytes, bits, Boolean(extractable), usages);
    });
  }

  exportKey(format, key) {
    return promised(() => {
      need(arguments.length, 2, "crypto.subtle.exportKey");
      if (!(key instanceof CryptoKey)) throw new TypeError("exportKey needs a CryptoKey");
      formatOf(format);
      if (!key.extractable) throw wrong("the key is not extractable", "InvalidAccessError");
      const bytes = secrets.get(key);
      if (format === "raw") return bytes.slice().buffer;
      return { kty: "oct", k: toBase64URL(bytes), alg: "HS" + key.algorithm.hash.name.slice(4), key_ops: [...key.usages], ext: true };
    });
  }

  sign(algorithm, key, data) {
    return promised(() => {
      need(arguments.length, 3, "crypto.subtle.sign");
      usable(algorithm, key, "sign");
      return bufferOf(hmac(key, data));
    });
  }

  verify(algorithm, key, signature, data) {
    return promised(() => {
      need(arguments.length, 4, "crypto.subtle.verify");
      usable(algorithm, key, "verify");
      const wanted = hmac(key, data), given = memoryOf(signature, "crypto.subtle.verify");
      return wanted.length === given.length && sameBytes(wanted, given);
    });
  }

  // timingSafeEqual compares in a time that does not depend on what differs.
  timingSafeEqual(a, b) {
    a = memoryOf(a, "timingSafeEqual");
    b = memoryOf(b, "timingSafeEqual");
    if (a.length !== b.length) throw new TypeError("timingSafeEqual needs two of the same length");
    return sameBytes(a, b);
  }
}
for (const name of ["encrypt", "decrypt", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"]) {
  Object.defineProperty(SubtleCrypto.prototype, name, { value: { [name]: notThere(name) }[name], writable: true, configurable: true });
}

const hex = Array.from({ length: 256 }, (_, i) => (i < 16 ? "0" : "") + i.toString(16));

export class Crypto {
  #subtle = new SubtleCrypto(make);
  constructor(token) { if (token !== make) throw new TypeError("Illegal constructor"); }

  get subtle() { return this.#subtle; }

  getRandomValues(array) {
    void this.#subtle;
    need(arguments.length, 1, "crypto.getRandomValues");
    if (!integers.some((c) => array instanceof c)) throw wrong("getRandomValues() fills typed arrays of integers", "TypeMismatchError");
    if (array.byteLength > 65536) throw wrong(`getRandomValues() gives at most 65536 bytes at once, not ${array.byteLength}`, "QuotaExceededError");
    fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), "crypto.getRandomValues");
    return array;
  }

  // randomUUID gives a version 4 one (RFC 9562, section 5.4).
  randomUUID() {
    void this.#subtle;
    notAtTopLevel("crypto.randomUUID");
    const b = check(edge.random(16));
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    return hex[b[0]] + hex[b[1]] + hex[b[2]] + hex[b[3]] + "-" + hex[b[4]] + hex[b[5]] + "-" + hex[b[6]] + hex[b[7]] + "-" +
      hex[b[8]] + hex[b[9]] + "-" + hex[b[10]] + hex[b[11]] + hex[b[12]] + hex[b[13]] + hex[b[14]] + hex[b[15]];
  }
}

expose(CryptoKey);
expose(SubtleCrypto);
expose(Crypto);

export const crypto = new Crypto(make);
