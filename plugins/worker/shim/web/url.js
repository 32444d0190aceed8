const plus = (x) => x.includes("%") || x.includes("+") ? decodeURIComponent(x.replaceAll("+", " ")) : x;

export class URLSearchParams {
  #l;
  constructor(q) {
    this.#l = [];
    if (q[0] === "?") q = q.slice(1);
    for (const p of q.split("&")) {
      if (p === "") continue;
      const i = p.indexOf("=");
      if (i < 0) this.#l.push(plus(p), ""); else this.#l.push(plus(p.slice(0, i)), plus(p.slice(i + 1)));
    }
  }
  get(k) { const l = this.#l; for (let i = 0; i < l.length; i += 2) if (l[i] === k) return l[i + 1]; return null; }
}

export class URL { // absolute ones alone, and parsed when asked
  #u; #host; #path; #query; #end;
  constructor(u) {
    u = String(u);
    const colon = u.indexOf("://");
    if (colon < 1) throw new TypeError("Invalid URL: " + u);
    this.#u = u;
    const hash = u.indexOf("#", colon), end = this.#end = hash < 0 ? u.length : hash;
    const q = u.indexOf("?", colon);
    this.#query = q < 0 || q > end ? end : q;
    const slash = u.indexOf("/", colon + 3);
    this.#path = slash < 0 || slash > this.#query ? this.#query : slash;
    this.#host = colon + 3;
  }
  get href() { return this.#u; }
  get protocol() { return this.#u.slice(0, this.#host - 2); }
  get host() { return this.#u.slice(this.#host, this.#path); }
  get pathname() { return this.#u.slice(this.#path, this.#query) || "/"; }
  get search() { return this.#u.slice(this.#query, this.#end); }
  get searchParams() { return new URLSearchParams(this.search); }
  toString() { return this.#u; }
}
