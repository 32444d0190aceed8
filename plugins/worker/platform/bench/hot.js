// What Workers do for nearly each request, once a round.

const url = "http://8787-abc.preview.example.com/api/items/s1?id=s1&x=2", odd = "/a b/../\u00e9?q='", base = "http://example.com/x/y";
const encoder = new TextEncoder(), decoder = new TextDecoder(), short = encoder.encode("hello world"), long = encoder.encode("hello w\u00f6rld ".repeat(1000));
const kilobytes = "hello w\u00f6rld ".repeat(1000), value = { a: [1, 2, { b: "c" }], d: new Map([[1, 2]]) };
const pattern = new URLPattern({ pathname: "/api/items/:id" });

export default {
  "nothing": () => {},
  "new URL": () => new URL(url),
  "new URL, pathname": () => new URL(url).pathname,
  "new URL, pathname and search": () => { const u = new URL(url); return u.pathname + u.search; },
  "new URL, searchParams.get": () => new URL(url).searchParams.get("id"),
  "new URL that is not plain": () => new URL(odd, base).href,
  "new URL of a path and a base": () => new URL("/api/x", url).href,
  "new URLSearchParams": () => new URLSearchParams("id=s1&x=2"),
  "URLPattern.exec": () => pattern.exec(url),
  "encode 11 bytes": () => encoder.encode("hello world"),
  "decode 11 bytes": () => decoder.decode(short),
  "encode 13 kB": () => encoder.encode(kilobytes),
  "decode 13 kB": () => decoder.decode(long),
  "randomUUID": () => crypto.randomUUID(),
  "btoa": () => btoa("hello world"),
  "inspect": () => globalThis.shown(value),
};
