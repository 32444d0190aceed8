// URL: parsing, with and without a base, and the setters.

const parts = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];
const all = (...args) => {
  const u = new URL(...args);
  return parts.map((p) => u[p]);
};
const cases = {};

// Absolute ones, and relative ones with their base.
for (const [input, base] of [
  ["http://example.com"], ["http://example.com/"], ["http://example.com:8080/a/b?c=d#e"], ["HTTP://EXAMPLE.COM/A"], ["https://example.com:443/"],
  ["http://example.com:80/"], ["https://example.com:80/"], ["http://user:pass@example.com/"], ["http://user@example.com/"], ["http://:pass@example.com/"],
  ["http://@example.com/"], ["http://a@b@example.com/"], ["http://us er:pa:ss@example.com/"], ["http://example.com:/"], ["http://example.com:65535/"],
  ["http://example.com:65536/"], ["http://example.com:0080/"], ["http://example.com:8a/"], ["http:///example.com/"], ["http:example.com"], ["http:/example.com"],
  ["http:\\\\example.com\\a\\b"], ["http://"], ["http://?"], ["http:"], ["https://#"], [""], ["//example.com"], ["/a"], ["example.com"], ["  http://example.com  "],
  ["\u0000http://example.com\u001f"], ["ht\ntp://exa\tmple.com/a\rb"], ["http://example.com/a b"], ["http://example.com/?a b"], ["http://example.com/#a b"],
  ["http://example.com/a/./b/../c"], ["http://example.com/../../a"], ["http://example.com/a/.."], ["http://example.com/a/."], ["http://example.com/%2e/%2E%2e/a"],
  ["http://example.com/.%2e"], ["http://example.com/..."], ["http://example.com//a//b"], ["http://example.com/\u00e9?\u00e9#\u00e9"], ["http://example.com/\u{1f600}"],
  ["http://example.com/\ud800"], ["http://example.com/%"], ["http://example.com/%zz%41"], ["http://example.com/\"<>`{}|^"], ["http://example.com/?\"<>`{}|^'"],
  ["http://example.com/#\"<>`{}|^'"], ["http://example.com/\u007f\u0080"], ["http://example.com?"], ["http://example.com#"], ["http://example.com?#"], ["http://example.com/a?b?c#d#e"],
  ["http://1.2.3.4/"], ["http://1.2.3/"], ["http://1/"], ["http://0x7f.1/"], ["http://017700000001/"], ["http://0/"], ["http://4294967295/"], ["http://4294967296/"],
  ["http://256.1.1.1/"], ["http://1.2.3.4.5/"], ["http://1.2.3.4./"], ["http://1.2..3/"], ["http://0x/"], ["http://a.1/"], ["http://a.0x1/"], ["http://a.09/"], ["http://1a/"],
  ["http://[::1]/"], ["http://[::]:81/"], ["http://[1:2:3:4:5:6:7:8]/"], ["http://[1:0:0:4:5:0:0:8]/"], ["http://[::ffff:192.168.0.1]/"], ["http://[1::2::3]/"], ["http://[:1]/"],
  ["http://[1:2:3:4:5:6:7]/"], ["http://[1:2:3:4:5:6:7:8:9]/"], ["http://[::g]/"], ["http://[::12345]/"], ["http://[::1"], ["http://::1]/"], ["http://[::1%25eth0]/"], ["http://[::1.2.3]/"],
  ["http://[ABCD:EF01::]/"], ["http://[0:0:1::]/"], ["http://a b/"], ["http://a%20b/"], ["http://a%41b/"], ["http://a%00b/"], ["http://a<b/"], ["http://a^b/"], ["http://a|b/"], ["http://a%7cb/"],
  ["http://a_b/"], ["http://-a-/"], ["http://a..b/"], ["http://./"], ["http://../"], ["http://a./"], ["http://a,b;c/"], ["http://m\u00fcnchen.example/"], ["http://xn--mnchen-3ya.example/"], ["http://M\u00dcNCHEN.example/"],
  ["http://fa\u00df.example/"], ["http://\u2603.example/"], ["http://\uff21\uff22.example/"], ["http://a\uff0eb/"], ["http://a\u3002b/"], ["http://a\u00adb/"], ["http://a\u200bb/"], ["http://\u0301a/"],
  ["http://xn--/"], ["http://xn--a/"], ["http://xn--zn7c.com/"], ["http://\u05d0.example/"], ["http://\u05d0a.example/"], ["http://\u4f8b\u3048.\u30c6\u30b9\u30c8/"], ["http://\u{1f600}.example/"], ["http://\u212a.example/"], ["http://\ufb01.example/"],
  ["http://e\u0301.example/"], ["http://\u03a3\u03a3.example/"], ["http://\u03c2.example/"], ["http://xn--\u00e9/"], ["http://\u03f2.example/"], ["http://\u1f80.example/"], ["http://\u2026.example/"], ["http://a\u2024b/"], ["http://\u0660a/"], ["http://\u06271/"], ["http://1\u0627/"], ["http://\u0627\u0660/"], ["http://\u1c80/"], ["http://a\u200db/"], ["http://\ue000/"],
  ["file:///a/b"], ["file:/a"], ["file:a"], ["file://host/a"], ["file://localhost/a"], ["file:///C:/a/../.."], ["file:///C|/a"], ["file://C:/a"], ["file:"], ["file:///?q#f"], ["file:\\\\host\\a"],
  ["mailto:a@example.com"], ["data:text/plain,a b?c#d"], ["javascript:alert(1)"], ["foo:bar"], ["foo:/bar/../baz"], ["foo://host/p"], ["foo://HOST/p"], ["foo://host:80/p"], ["foo:///p"], ["foo://"], ["foo:"],
  ["foo://a b/"], ["foo://a%20b/"], ["foo://\u00e9/"], ["foo://[::1]/"], ["foo://a\\b/"], ["foo:a\\b"], ["foo:/.//a"], ["foo:/a/..//b"], ["foo://user@/"], ["blob:https://example.com/id"], ["blob:foo"], ["ws://a:80/"], ["wss://a:443/b"],
  ["ftp://a:21/b;c"], ["1http://a"], ["a+b-c.d://x"], ["non\u00e9://x"],
]) cases[`parse ${JSON.stringify(input)}`.replace(/[^\x20-\x7e]/g, (c) => "u" + c.charCodeAt(0).toString(16))] = () => all(input, base);

for (const base of ["http://a/b/c/d?q#f", "file:///C:/x/y", "foo://h/p/q?r", "foo:/a/b", "mailto:x", "https://u:p@h:99/i/j"]) {
  for (const input of ["", "g", "./g", "../g", "../../../g", "/g", "//g", "//g:1/h", "?y", "#s", "g?y#s", "g;x=1/../y", "http:g", "https:g", "http:/g", ".", "..", "\\g", "\\\\g\\h", "C|/z", "/C:/z", "foo:g", "%2e%2e/g", "g//h", " g "]) {
    cases[`resolve ${JSON.stringify(input)} against ${base}`] = () => all(input, base);
  }
}

const values = {
  href: ["http://x/y", "nope"],
  protocol: ["https", "https:x", "ftp", "foo", "file", "1a", "", "ws:"],
  username: ["a", "a b:@/", ""], password: ["p", "p q:@/", ""],
  host: ["x", "x:1", "x:80", "x:", "x/y", "x?y", "", "[::1]:2", "a b", ":1", "x:99999", "M\u00fc"],
  hostname: ["x", "x:1", "", "[::1]", "a b", "1.2"], port: ["", "1", "80", "65536", "12x", " 3", "-1"],
  pathname: ["", "a", "/a/../b", "a b?c#d", "\\x", "%2e%2e"], search: ["", "?", "a", "?a=b c'", "#x", "\u00e9"], hash: ["", "#", "a", "#a b`", "\u00e9"],
};
for (const url of ["http://u:p@h:81/p?q#f", "file:///C:/x", "foo://h/p", "mailto:x"]) {
  for (const [part, list] of Object.entries(values)) {
    for (const v of list) {
      cases[`set ${part} of ${url} to ${JSON.stringify(v)}`.replace("\u00fc", "uc").replace("\u00e9", "e9")] = () => {
        const u = new URL(url);
        u[part] = v;
        return parts.map((p) => u[p]);
      };
    }
  }
}

export default {
  ...cases,
  "without arguments": () => new URL(),
  "undefined": () => new URL(undefined),
  "a symbol": () => new URL(Symbol()),
  "undefined with a base": () => new URL(undefined, "http://a/b").href,
  "null as a base": () => new URL("x", null),
  "an object as input": () => new URL({ toString: () => "http://a/" }).href,
  "a URL as input": () => new URL(new URL("http://a/b")).href,
  "a URL as base": () => new URL("c", new URL("http://a/b")).href,
  "called without new": () => URL("http://a"),
  "canParse": () => [URL.canParse("http://a"), URL.canParse("a"), URL.canParse("a", "http://b"), URL.canParse("a", "b"), URL.canParse("http://a:b"), URL.canParse(undefined, "aaa:/b")],
  "canParse without arguments": () => URL.canParse(),
  "toString": () => String(new URL("http://a/b c")),
  "toJSON": () => JSON.stringify({ u: new URL("http://a/?b") }),
  "Object.prototype.toString": () => Object.prototype.toString.call(new URL("http://a")),
  "keys of an object": () => Object.keys(new URL("http://a")),
  "keys of the prototype": () => Object.keys(URL.prototype).sort(),
  "a getter on another object": () => Object.getOwnPropertyDescriptor(URL.prototype, "href").get.call({}),
  "origin cannot be set": () => { const u = new URL("http://a"); u.origin = "http://b"; return u.origin; },
  "the length of the constructor": () => [URL.length, URL.name, URL.canParse.length],
  "href that is set renews searchParams": () => { const u = new URL("http://a/?b=c"), p = u.searchParams; u.href = "http://x/?y=z"; return [p.get("b"), p.get("y"), u.searchParams === p]; },
  "search that is set renews searchParams": () => { const u = new URL("http://a/?b=c"), p = u.searchParams; u.search = "?d=e&d=f"; return [...p]; },
  "searchParams change the URL": () => { const u = new URL("http://a/?b=c#h"); u.searchParams.append("d", "e f"); return u.href; },
  "searchParams that become empty": () => { const u = new URL("http://a/?b=c"); u.searchParams.delete("b"); return [u.href, u.search]; },
  "searchParams that are sorted": () => { const u = new URL("http://a/?z=1&a=2"); u.searchParams.sort(); return u.href; },
  "searchParams are the same object": () => { const u = new URL("http://a/"); return u.searchParams === u.searchParams; },
  "searchParams are written anew only when changed": () => { const u = new URL("http://a/?a=~&b=%7e"); void u.searchParams; const before = u.href; u.searchParams.append("c", "~"); return [before, u.href]; },
  "many reads of one URL": () => { const u = new URL("http://a:8080/p/q?r=s"); return [u.pathname, u.search, u.host, u.port, u.hash, u.href, u.pathname, u.origin]; },
  "a change after reads": () => { const u = new URL("http://a:8080/p?q"); void u.pathname; u.pathname = "/x y"; u.port = "9"; return [u.href, u.search]; },
};
