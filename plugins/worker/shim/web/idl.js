// What Web IDL asks of classes that JavaScript does not do by itself.

// expose makes a class' members enumerable, and gives it its name for toString.
export const expose = (Class, ...more) => {
  const proto = Class.prototype;
  for (const name of Object.getOwnPropertyNames(proto)) if (name !== "constructor") Object.defineProperty(proto, name, { enumerable: true });
  for (const name of Object.getOwnPropertyNames(Class)) if (!["length", "name", "prototype"].includes(name)) Object.defineProperty(Class, name, { enumerable: true });
  Object.defineProperty(proto, Symbol.toStringTag, { value: Class.name, configurable: true });
  for (const [name, value] of more) Object.defineProperty(proto, name, { value, writable: true, configurable: true });
};

// iterators gives a class entries, keys, values, forEach and iteration of pairs; at
// returns the pair with an index, or undefined: the iteration is live.
export const iterators = (Class, at) => {
  const Iterator = Object.create(Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())));
  const steps = new WeakMap();
  Object.defineProperty(Iterator, "next", {
    value() {
      const s = steps.get(this);
      if (s === undefined) throw new TypeError("next() was called on something that is no iterator of " + Class.name);
      const pair = at(s.of, s.i);
      if (pair === undefined) return { value: undefined, done: true };
      s.i++;
      return { value: s.kind === 2 ? [pair[0], pair[1]] : pair[s.kind], done: false };
    }, writable: true, enumerable: true, configurable: true,
  });
  Object.defineProperty(Iterator, Symbol.toStringTag, { value: Class.name + " Iterator", configurable: true });
  const make = (of, kind) => { at(of, 0); const it = Object.create(Iterator); steps.set(it, { of, kind, i: 0 }); return it; };
  const members = {
    entries() { return make(this, 2); },
    keys() { return make(this, 0); },
    values() { return make(this, 1); },
    forEach(callback, thisArg = undefined) {
      if (typeof callback !== "function") throw new TypeError(`the callback of ${Class.name}.forEach is not a function`);
      for (let i = 0, pair; (pair = at(this, i)) !== undefined; i++) callback.call(thisArg, pair[1], pair[0], this);
    },
  };
  for (const name of Object.keys(members)) Object.defineProperty(Class.prototype, name, { value: members[name], writable: true, enumerable: true, configurable: true });
  Object.defineProperty(Class.prototype, Symbol.iterator, { value: Class.prototype.entries, writable: true, configurable: true });
};

// need throws as Web IDL does when arguments are missing.
export const need = (given, wanted, what) => {
  if (given < wanted) throw new TypeError(`${what} needs ${wanted} argument${wanted > 1 ? "s" : ""}, but got ${given}`);
};
