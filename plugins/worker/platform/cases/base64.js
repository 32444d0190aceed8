// atob and btoa.

const cases = {};
for (const text of ["", "a", "ab", "abc", "abcd", "\u0000", "\u00ff\u00fe", "\u0100", "a\u20ac", "hello world", "=", undefined, null, 12, true]) {
  const name = typeof text === "string" ? Array.from(text, (c) => c.charCodeAt(0).toString(16)).join(" ") : String(text);
  cases[`btoa ${typeof text} ${name}`] = () => btoa(text);
}
for (const text of ["", "YQ==", "YWI=", "YWJj", "YQ", "YWI", "Y", "YQ=", "YQ===", "YW=I", "=YQ=", "Y Q = =", "\tYQ\n==\r\f", "YR==", "YWJ=", "YQ-_", "+/+/", "Y\u00e9==", "YQ==YQ==", "====", "ab cd", "YWJjZA==", "nu", null, undefined, 12, 1234]) {
  cases[`atob ${typeof text} ${JSON.stringify(text)}`.replace("\u00e9", "e9")] = () => Array.from(atob(text), (c) => c.charCodeAt(0));
}

export default {
  ...cases,
  "atob without arguments": () => atob(),
  "btoa without arguments": () => btoa(),
  "there and back": () => { const s = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)); return atob(btoa(s)) === s; },
  "much": () => { const s = "x\u00ff".repeat(50000); const b = btoa(s); return [b.length, atob(b) === s]; },
  "the error of btoa": () => { try { btoa("\u0100"); } catch (e) { return [e.name, e.code, e instanceof DOMException, e instanceof Error, e.constructor === DOMException]; } },
  "the error of atob": () => { try { atob("*"); } catch (e) { return [e.name, e.code, e instanceof DOMException]; } },
};
