// URLPattern, which Node 20 has not.

const parts = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];
const cases = {};

// match is what exec gives: the groups that a name or a number has, or null.
const match = (args, input, want) => {
  cases[`${JSON.stringify(args)} with ${JSON.stringify(input)}`] = () => {
    const result = new URLPattern(...args).exec(...input);
    if (result === null) return { got: null, want };
    const got = {};
    for (const p of parts) {
      const groups = Object.entries(result[p].groups).filter(([k]) => want?.[p] !== undefined || !/^[0-9]/.test(k));
      if (groups.length > 0) got[p] = Object.fromEntries(groups.map(([k, v]) => [k, v ?? null]));
    }
    return { got, want };
  };
};
const text = (args, want) => {
  cases[`the components of ${JSON.stringify(args)}`] = () => {
    const p = new URLPattern(...args);
    return { got: Object.fromEntries(Object.keys(want).map((k) => [k, p[k]])), want };
  };
};
const refused = (...args) => {
  cases[`${JSON.stringify(args)} is refused`] = () => {
    try { new URLPattern(...args); } catch (e) { return { got: e.name, want: "TypeError" }; }
    return { got: "made", want: "TypeError" };
  };
};

match([{ pathname: "/books/:id" }], ["http://x/books/12"], { pathname: { id: "12" } });
match([{ pathname: "/books/:id" }], ["http://x/books/"], null);
match([{ pathname: "/books/:id" }], ["http://x/books/1/2"], null);
match([{ pathname: "/books/:id" }], [{ pathname: "/books/3" }], { pathname: { id: "3" } });
match([{ pathname: "/books/:id" }], ["/books/3", "http://x"], { pathname: { id: "3" } });
match([{ pathname: "/books/:id" }], ["/books/3"], null);
match([{ pathname: "/foo/bar" }], [{ pathname: "/foo/bar/" }], null);
match([{ pathname: "/foo/(.*)" }], [{ pathname: "/foo/a/b" }], { pathname: { 0: "a/b" } });
match([{ pathname: "/foo/*" }], [{ pathname: "/foo" }], null);
match([{ pathname: "/foo/*?" }], [{ pathname: "/foo" }], { pathname: { 0: null } });
match([{ pathname: "/foo/:bar?" }], [{ pathname: "/foo" }], { pathname: { bar: null } });
match([{ pathname: "/foo/:bar+" }], [{ pathname: "/foo/a/b" }], { pathname: { bar: "a/b" } });
match([{ pathname: "/foo/:bar+" }], [{ pathname: "/foo" }], null);
match([{ pathname: "/foo/:bar*" }], [{ pathname: "/foo" }], { pathname: { bar: null } });
match([{ pathname: "/foo/:bar*" }], [{ pathname: "/foo/" }], null);
match([{ pathname: "/foo/:bar(\\d+)" }], [{ pathname: "/foo/12" }], { pathname: { bar: "12" } });
match([{ pathname: "/foo/:bar(\\d+)" }], [{ pathname: "/foo/ab" }], null);
match([{ pathname: "/foo{/bar}?" }], [{ pathname: "/foo" }], {});
match([{ pathname: "/foo{/:bar}?" }], [{ pathname: "/foo/x" }], { pathname: { bar: "x" } });
match([{ pathname: "/foo{/bar}+" }], [{ pathname: "/foo/bar/bar" }], {});
match([{ pathname: "/foo{/bar}*" }], [{ pathname: "/foo" }], {});
match([{ pathname: "/:a-:b" }], [{ pathname: "/x-y" }], { pathname: { a: "x", b: "y" } });
match([{ pathname: "/:file.:ext" }], [{ pathname: "/a.b.png" }], { pathname: { file: "a", ext: "b.png" } });
match([{ pathname: "/*.png" }], [{ pathname: "/a/b.png" }], { pathname: { 0: "a/b" } });
match([{ pathname: "/caf\u00e9" }], [{ pathname: "/caf%C3%A9" }], {});
match([{ pathname: "/Foo" }], [{ pathname: "/foo" }], null);
match([{ pathname: "/Foo" }, { ignoreCase: true }], [{ pathname: "/foo" }], {});
match([{ pathname: "/(foo|bar)" }], [{ pathname: "/bar" }], { pathname: { 0: "bar" } });
match([{ pathname: "/foo\\?" }], [{ pathname: "/foo%3F" }], {});
match([{ pathname: "/foo\\?" }], [{ pathname: "/foo" }], null);
match(["https://*.example.com/*"], ["https://a.b.example.com/x"], { hostname: { 0: "a.b" }, pathname: { 0: "x" } });
match(["https://*.example.com/*"], ["https://example.com/x"], null);
match(["https://:sub.example.com/"], ["https://a.example.com/"], { hostname: { sub: "a" } });
match(["https://:sub.example.com/"], ["https://a.b.example.com/"], null);
match(["http{s}?://example.com/"], ["http://example.com/"], {});
match(["http{s}?://example.com/"], ["ftp://example.com/"], null);
match(["https://example.com:8080/:a"], ["https://example.com:8080/x"], { pathname: { a: "x" } });
match(["https://example.com:8080/:a"], ["https://example.com/x"], null);
match(["https://example.com/\\?q=:q"], ["https://example.com/?q=1"], { search: { q: "1" } });
match(["/foo/*", "https://example.com"], ["https://example.com/foo/bar"], { pathname: { 0: "bar" } });
match(["data\\:foobar"], ["data:foobar"], {});
match([], ["https://example.com/"], {});
match([{ hostname: "{:sub.}?example.com" }], ["http://example.com/"], { hostname: { sub: null } });
match([{ hostname: "EXAMPLE.com" }], ["http://example.com/"], {});
match([{ protocol: "http{s}?" }], ["wss://example.com/"], null);
match([{ port: "80", protocol: "http" }], ["http://example.com:80/"], {});
match([{ search: "a=:b" }], ["http://x/?a=1"], { search: { b: "1" } });
match([{ hash: "h:n" }], ["http://x/#h1"], { hash: { n: "1" } });
match([{ pathname: "b", baseURL: "http://h/a/c?d" }], ["http://h/a/b"], {});
match([{ pathname: "/a", baseURL: "http://h/x?y#z" }], ["http://other/a"], null);
match([{ pathname: "/a" }], ["not a URL"], null);
match([{ pathname: "/(a)(b)" }], [{ pathname: "/ab" }], { pathname: { 0: "a", 1: "b" } });

text([], { protocol: "*", username: "*", password: "*", hostname: "*", port: "*", pathname: "*", search: "*", hash: "*", hasRegExpGroups: false });
text(["https://example.com/a"], { protocol: "https", username: "*", hostname: "example.com", port: "", pathname: "/a", search: "*", hash: "*" });
text(["https://example.com/a?b#c"], { pathname: "/a", search: "b", hash: "c" });
text(["https://example.com#c"], { pathname: "/", search: "", hash: "c" });
text([{ pathname: "/a/./b/../c" }], { pathname: "/a/c" });
text([{ pathname: "/:a(\\d+)" }], { pathname: "/:a(\\d+)", hasRegExpGroups: true });
text([{ pathname: "/{a}/{:b}" }], { pathname: "/a/{:b}" });
text([{ pathname: "/(.*)" }], { pathname: "/*" });
text([{ pathname: "/([^\\/]+?)" }], { pathname: "/([^\\/]+?)", hasRegExpGroups: false });
text([{ protocol: "https", port: "443" }], { port: "" });
text([{ search: "?a" }], { search: "a" });
text([{ hash: "#a" }], { hash: "a" });
text([{ hostname: "m\u00fcnchen.example" }], { hostname: "xn--mnchen-3ya.example" });
text([{ pathname: "/a b" }], { pathname: "/a%20b" });

refused("foo");
refused({ pathname: "/(" });
refused({ pathname: "/:a/:a" });
refused({ pathname: "/{a" });
refused({ pathname: "/a}" });
refused({ pathname: "/(?a)" });
refused({ pathname: "/((a))" });
refused({ pathname: "/\\" });
refused({ pathname: "/:" });
refused({ pathname: "/(\u00e9)" });
refused({ pathname: "/([)" });
refused({ port: "x" });
refused({ hostname: "a b" });
refused({ baseURL: "nope" });
refused({ pathname: "/a" }, "https://example.com");

export default {
  ...cases,
  "test": () => ({ got: [new URLPattern({ pathname: "/a" }).test("http://x/a"), new URLPattern({ pathname: "/a" }).test("http://x/b")], want: [true, false] }),
  "test a URL": () => ({ got: new URLPattern({ pathname: "/a" }).test(new URL("http://x/a")), want: true }),
  "the inputs": () => ({ got: new URLPattern({ pathname: "/a" }).exec("a", "http://x").inputs, want: ["a", "http://x"] }),
  "the input of a component": () => ({ got: new URLPattern({ pathname: "/:a" }).exec("http://h:1/b?c").pathname, want: { groups: { a: "b" }, input: "/b" } }),
  "the name": () => ({ got: Object.prototype.toString.call(new URLPattern()), want: "[object URLPattern]" }),
};
