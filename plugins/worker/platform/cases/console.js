// What console.log writes: formats, and values as they are inspected. shown(...args) is
// that text.

class Foo { constructor() { this.a = 1; } }
class Bar extends Foo {}
class Hidden { #secret = 1; get a() { return 1; } }
class Named extends Error { constructor(m) { super(m); this.name = "NamedError"; } }
const circular = { a: 1 };
circular.self = circular;
circular.b = { c: circular };
const two = {};
two.x = { two };
two.y = { x: two.x };

const values = {
  "a number": 1, "minus zero": -0, "a string alone": "s", "true": true, "null": null, "undefined": undefined, "a bigint": 5n, "a symbol": Symbol("x"),
  "strings in quotes": ["it's", 'a"b', `a'b"c`, "a'b\"c`d", "a\nb\u0001\\\t\u007f", "\ud800", "\u{1f600}"],
  "an empty array": [], "an empty object": {}, "an array": [1, 2, 3], "holes": [1, , 3, , , 6], "an array of holes": [, ,], "an array with more": Object.assign([1], { x: 2 }),
  "depth of objects": { a: { b: { c: { d: 1 } } } }, "depth of arrays": [[[[1]]]], "depth of empty ones": { a: { b: { c: {} } } }, "depth of classes": { a: { b: { c: new Foo() } } },
  "an instance": new Foo(), "an instance of a child": new Bar(), "an instance with private parts": new Hidden(), "a class": Foo, "a class of another": Bar, "a class without a name": (() => class {})(),
  "an arrow": (() => () => 1)(), "a function": function f() {}, "an async function": async function g() {}, "a generator": function* h() {}, "a function with properties": Object.assign(function f() {}, { x: 1 }),
  "a map": new Map([[1, { a: 2 }], ["k", "v"]]), "a set": new Set([1, "a", [2]]), "an empty map": new Map(), "an empty set": new Set(), "a map in a map": new Map([["a", new Map([["b", new Map([["c", 1]])]])]]),
  "a date": new Date(0), "a date that is none": new Date(NaN), "an expression": /x\/y/gi, "a date with more": Object.assign(new Date(0), { x: 1 }),
  "bytes": new Uint8Array([1, 2, 3]), "floats": new Float64Array([1.5, -0]), "no bytes": new Uint8Array(0), "big integers": new BigInt64Array([1n]), "a buffer": new ArrayBuffer(4), "a view": new DataView(new ArrayBuffer(2)),
  "itself": circular, "two that know each other": two, "itself in an array": (() => { const a = [1]; a.push(a); return a; })(), "itself in a map": (() => { const m = new Map(); m.set("m", m); return m; })(),
  "no prototype": Object.create(null), "no prototype, with properties": Object.assign(Object.create(null), { x: 1 }),
  "accessors": { get a() { return 1; }, set a(v) {}, get b() { return 1; }, set c(v) {} }, "symbols as keys": { [Symbol("k")]: 1, [Symbol()]: 2 }, "keys in quotes": { "a-b": 1, "it's": 2, 3: 4, "": 5 },
  "many numbers": Array.from({ length: 150 }, (_, i) => i), "many strings": Array.from({ length: 30 }, (_, i) => "item" + i), "many objects": Array.from({ length: 10 }, (_, i) => ({ id: i, name: "n" + i })),
  "seven numbers": [1.5, 22.25, -3, 1000, 5, 6, 7], "many of many lengths": Array.from({ length: 27 }, (_, i) => "x".repeat(i)), "a big set": new Set(Array.from({ length: 120 }, (_, i) => i)), "many bytes": new Uint8Array(200),
  "a long string": { long: "x".repeat(100), b: "y" }, "lines that are too long": { a: "a".repeat(25), b: "b".repeat(30), c: "c".repeat(20) }, "a text of lines": { s: "line one\nline two which is long enough that it has to be cut\nline three" },
  "mixed": { a: [1, 2, { b: [1, [2]] }], f() {}, g: class {} }, "numbers in an object": new Number(3), "strings in an object": new String("x"), "symbols in an object": Object(Symbol("q")), "booleans in an object": new Boolean(false),
  "undefined in an array": [undefined, null, NaN], "objects of objects": { x: new Foo(), y: [new Foo(), new Bar()] }, "pairs": [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]], "a weak map": new WeakMap(), "a child of a map": new (class Own extends Map {})([[1, 2]]),
  "a child of an array": (() => { class Own extends Array {} return Own.from([1, 2]); })(), "a tag": { [Symbol.toStringTag]: "Tag", a: 1 }, "a tag in a class": new (class A { get [Symbol.toStringTag]() { return "B"; } })(), "JSON": JSON, "Math has a name": Math,
  "an object from another": Object.create({ a: 1 }), "an object of a class without its constructor": Object.create(Foo.prototype), "__proto__ as a key": { ["__proto__"]: 1 }, "a null prototype in depth": { a: { b: { c: Object.create(null) } } },
};
const cases = {};
for (const [name, v] of Object.entries(values)) cases[`shows ${name}`] = () => shown(v);

const formats = [["%s %d", 1, "2"], ["%i %f", "3.7", "3.7"], ["%j", { a: 1 }], ["%O", { a: { b: { c: { d: {} } } } }], ["%c styled", "color: red"], ["%%"], ["%% %s", 1], ["%s"], ["a", "b", { c: 1 }], [1, "a"], ["%d", 5n], ["%s", 5n, Symbol("a")],
  ["%x", 1], ["%s", { a: 1 }], ["%s", { a: { b: 1 } }], ["%s", [1, [2, [3]]]], ["%s", -0], ["%d", {}], ["%s", null, undefined], ["100%", "x"], ["%s", new Foo()], ["%s", { toString: () => "own" }], ["%s", new Date(0)], ["%i", {}], ["%f", "x"],
  ["%d", "0x10"], ["%d", ""], ["%d", null], ["%i", 1.9], ["%i", 5n], ["%f", 5n], ["%s%s", "a"], ["a%sb%sc", 1, 2, 3], [], [""], ["", 1], ["a", "b"], [null, undefined], ["%s", "\n"], [{ a: "b" }, "b"], ["%j", circular], ["%d", Symbol("a")], ["%s", () => 1], ["%s", "a", "%s", "b"]];
formats.forEach((args, i) => { cases[`format ${i}: ${String(args[0])}`] = () => shown(...args); });

const head = (text) => text.split("\n")[0];

export default {
  ...cases,
  "an error's first line": () => head(shown(new Error("m"))),
  "an error's name": () => head(shown(new TypeError("m"))),
  "an error with a name of its own": () => head(shown(new Named("m"))),
  "an error of a class": () => head(shown(new (class Odd extends Error {})("m"))),
  "an error without a message": () => head(shown(new RangeError())),
  "an error with properties": () => { const e = Object.assign(new Error("m"), { code: "E" }); e.stack = "Error: m"; return shown(e); },
  "an error with a cause": () => /\[cause\]: TypeError: inner/.test(shown(new Error("m", { cause: new TypeError("inner") }))),
  "errors of an AggregateError": () => /\[errors\]: \[\n/.test(shown(new AggregateError([new Error("a")], "m"))),
  "an error in an object": () => head(shown({ e: new Error("m") })),
  "an error without a stack": () => { const e = new Error("m"); Object.defineProperty(e, "stack", { value: undefined }); return shown(e); },
  "a thrown getter is not called": () => shown({ get a() { throw new Error("called"); } }),
  "what inspect calls": () => shown({ [Symbol.for("nodejs.util.inspect.custom")]: () => "own" }),
};
