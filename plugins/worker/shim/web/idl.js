// What the Web IDL standard asks of every class of the platform.

// idl makes the members of a class's prototype enumerable, and its statics, and has
// its objects named by Object.prototype.toString.
export const idl = (c, name) => {
  for (const [object, skipped] of [[c.prototype, ["constructor"]], [c, ["length", "name", "prototype"]]]) {
    for (const key of Object.getOwnPropertyNames(object)) {
      if (!skipped.includes(key)) Object.defineProperty(object, key, { enumerable: true });
    }
  }
  Object.defineProperty(c.prototype, Symbol.toStringTag, { value: name, configurable: true });
};

// need throws as Web IDL does when arguments are missing.
export const need = (given, wanted, what) => {
  if (given < wanted) throw new TypeError(`${what} needs ${wanted} argument${wanted > 1 ? "s" : ""}, but got ${given}`);
};

const IteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

// iteratorOf returns a function that makes iterators: take(target, i) returns the
// i-th result of an object as it is then, or undefined at the end.
export const iteratorOf = (name) => {
  const states = new WeakMap();
  const prototype = Object.create(IteratorPrototype, {
    next: {
      value: function next() {
        const s = states.get(this);
        if (s === undefined) throw new TypeError(`next() was called on what is not a ${name}`);
        const value = s.take(s.target, s.at);
        if (value === undefined) { s.at = Infinity; return { value, done: true }; }
        s.at++;
        return { value, done: false };
      },
      writable: true, enumerable: true, configurable: true,
    },
    [Symbol.toStringTag]: { value: name, configurable: true },
  });
  return (target, take) => {
    const it = Object.create(prototype);
    states.set(it, { target, take, at: 0 });
    return it;
  };
};
