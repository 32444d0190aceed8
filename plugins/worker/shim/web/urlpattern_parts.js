// Patterns of URLs' components (WHATWG URL pattern standard, sections 2 and 3): from
// the text to parts, and from parts to a regular expression and back to a text.

export const FIXED = 0, REGEXP = 1, SEGMENT = 2, FULL = 3;

const nameStart = /[\p{ID_Start}$_]/u, nameMore = /[\p{ID_Continue}$\u200c\u200d]/u;
const special = { "*": "asterisk", "+": "modifier", "?": "modifier", "{": "open", "}": "close" };

// tokenize cuts a pattern. A token is {type, at, value}; type is char, escaped, name,
// regexp, asterisk, modifier, open, close, invalid or end. lenient makes of what is
// wrong a token invalid, where the strict way throws.
export const tokenize = (input, lenient) => {
  const tokens = [], points = [...input];
  const offsets = []; // of the code points in the text
  let at = 0;
  for (const p of points) { offsets.push(at); at += p.length; }
  offsets.push(at);
  const wrong = (i, why) => {
    if (!lenient) throw new TypeError(`the pattern ${input} ${why} at position ${offsets[i]}`);
    tokens.push({ type: "invalid", at: offsets[i], value: points[i] });
    return i + 1;
  };
  for (let i = 0; i < points.length;) {
    const c = points[i];
    if (c === "\\") {
      if (i === points.length - 1) { i = wrong(i, "ends with a backslash"); continue; }
      tokens.push({ type: "escaped", at: offsets[i], value: points[i + 1] });
      i += 2;
    } else if (c === ":") {
      let end = i + 1;
      while (end < points.length && (end === i + 1 ? nameStart : nameMore).test(points[end])) end++;
      if (end === i + 1) { i = wrong(i, "has a colon without a name"); continue; }
      tokens.push({ type: "name", at: offsets[i], value: points.slice(i + 1, end).join("") });
      i = end;
    } else if (c === "(") {
      const end = endOfGroup(points, i);
      if (end < 0) { i = wrong(i, "has a regular expression that is not closed or not allowed"); continue; }
      tokens.push({ type: "regexp", at: offsets[i], value: points.slice(i + 1, end).join("") });
      i = end + 1;
    } else {
      tokens.push({ type: special[c] ?? "char", at: offsets[i], value: c });
      i++;
    }
  }
  tokens.push({ type: "end", at, value: "" });
  return tokens;
};

// endOfGroup finds the bracket that closes the one at i; -1 if what is between them is
// not allowed: nothing, a leading ?, groups that capture, and what is not ASCII.
const endOfGroup = (points, i) => {
  let depth = 1;
  for (let j = i + 1; j < points.length; j++) {
    const c = points[j];
    if (c > "\x7f" || (j === i + 1 && c === "?")) return -1;
    if (c === "\\") {
      if (++j >= points.length || points[j] > "\x7f") return -1;
    } else if (c === ")") {
      if (--depth === 0) return j > i + 1 ? j : -1;
    } else if (c === "(") {
      depth++;
      if (points[j + 1] !== "?") return -1;
    }
  }
  return -1;
};

const escapeRegExp = (s) => s.replace(/[.+*?^${}()[\]|/\\]/g, "\\$&");
export const escapePattern = (s) => s.replace(/[+*?:{}()\\]/g, "\\$&");

const anySegment = (delimiter) => (delimiter === "" ? "[^]+?" : `[^${escapeRegExp(delimiter)}]+?`);

// parse makes parts of a component's pattern: {type, value, modifier, name, prefix,
// suffix}. options are {delimiter, prefix}; encode makes fixed text canonical.
export const parse = (input, options, encode) => {
  const tokens = tokenize(input, false), parts = [], names = new Set();
  let at = 0, numbered = 0, pending = "";
  const take = (type) => (tokens[at].type === type ? tokens[at++] : null);
  const takeText = () => {
    let s = "";
    for (let t; (t = take("char") ?? take("escaped")) !== null;) s += t.value;
    return s;
  };
  const takeModifier = () => (take("modifier") ?? take("asterisk"))?.value ?? "";
  const takeMatcher = (name) => take("regexp") ?? (name === null ? take("asterisk") : null);
  const need = (type) => {
    if (take(type) === null) throw new TypeError(`the pattern ${input} has ${tokens[at].type === "end" ? "an end" : tokens[at].value} at position ${tokens[at].at} where it cannot be`);
  };
  const flush = () => {
    if (pending !== "") parts.push({ type: FIXED, value: encode(pending), modifier: "", name: "", prefix: "", suffix: "" });
    pending = "";
  };
  const add = (prefix, name, matcher, suffix, modifier) => {
    if (name === null && matcher === null && modifier === "") { pending += prefix; return; }
    flush();
    if (name === null && matcher === null) {
      if (prefix !== "") parts.push({ type: FIXED, value: encode(prefix), modifier, name: "", prefix: "", suffix: "" });
      return;
    }
    let type = SEGMENT, value = "";
    if (matcher !== null) {
      if (matcher.type === "asterisk" || matcher.value === ".*") type = FULL;
      else if (matcher.value !== anySegment(options.delimiter)) { type = REGEXP; ({ value } = matcher); }
    }
    const key = name === null ? String(numbered++) : name.value;
    if (names.has(key)) throw new TypeError(`the pattern ${input} has two groups named ${key}`);
    names.add(key);
    parts.push({ type, value, modifier, name: key, prefix: encode(prefix), suffix: encode(suffix) });
  };
  while (at < tokens.length) {
    const char = take("char"), name = take("name"), matcher = takeMatcher(name);
    if (name !== null || matcher !== null) {
      let prefix = char?.value ?? "";
      if (prefix !== "" && prefix !== options.prefix) { pending += prefix; prefix = ""; }
      flush();
      add(prefix, name, matcher, "", takeModifier());
      continue;
    }
    const fixed = char ?? take("escaped");
    if (fixed !== null) { pending += fixed.value; continue; }
    if (take("open") !== null) {
      const prefix = takeText(), inner = take("name"), with_ = takeMatcher(inner), suffix = takeText();
      need("close");
      add(prefix, inner, with_, suffix, takeModifier());
      continue;
    }
    flush();
    need("end");
  }
  return parts;
};

// compile makes the regular expression of the parts and the names of its groups.
export const compile = (parts, options, ignoreCase) => {
  let text = "^";
  const names = [];
  for (const p of parts) {
    if (p.type === FIXED) {
      text += p.modifier === "" ? escapeRegExp(p.value) : `(?:${escapeRegExp(p.value)})${p.modifier}`;
      continue;
    }
    names.push(p.name);
    const inner = p.type === SEGMENT ? anySegment(options.delimiter) : p.type === FULL ? ".*" : p.value;
    const repeats = p.modifier === "*" || p.modifier === "+";
    const before = escapeRegExp(p.prefix), after = escapeRegExp(p.suffix);
    if (before === "" && after === "") text += repeats ? `((?:${inner})${p.modifier})` : `(${inner})${p.modifier}`;
    else if (!repeats) text += `(?:${before}(${inner})${after})${p.modifier}`;
    else text += `(?:${before}((?:${inner})(?:${after}${before}(?:${inner}))*)${after})${p.modifier === "*" ? "?" : ""}`;
  }
  return { regexp: expression(text + "$", ignoreCase ? "i" : ""), names };
};

// expression makes it as the standard says, with v; but the engine's v takes no hyphen
// outside of classes, so that u comes first, which differs in classes alone.
const expression = (text, flags) => {
  for (const kind of ["u", "v"]) {
    try { return new RegExp(text, flags + kind); } catch {}
  }
  throw new TypeError(`the pattern makes ${text}, which is no regular expression`);
};

// write makes the text of parts, in the shortest form that gives them again.
export const write = (parts, options) => {
  let out = "";
  parts.forEach((p, i) => {
    if (p.type === FIXED) {
      out += p.modifier === "" ? escapePattern(p.value) : `{${escapePattern(p.value)}}${p.modifier}`;
      return;
    }
    const previous = parts[i - 1], next = parts[i + 1], isNamed = !/^[0-9]/.test(p.name);
    let grouped = p.suffix !== "" || (p.prefix !== "" && p.prefix !== options.prefix);
    if (!grouped && isNamed && p.type === SEGMENT && p.modifier === "" && next !== undefined && next.prefix === "" && next.suffix === "") {
      grouped = next.type === FIXED ? nameMore.test([...next.value][0] ?? "") : /^[0-9]/.test(next.name);
    }
    if (!grouped && p.prefix === "" && previous?.type === FIXED && options.prefix !== "" && previous.value.endsWith(options.prefix)) grouped = true;
    let body = escapePattern(p.prefix) + (isNamed ? ":" + p.name : "");
    if (p.type === REGEXP) body += `(${p.value})`;
    else if (p.type === SEGMENT && !isNamed) body += `(${anySegment(options.delimiter)})`;
    else if (p.type === FULL) {
      const short = !isNamed && (previous === undefined || previous.type === FIXED || previous.modifier !== "" || grouped || p.prefix !== "");
      body += short ? "*" : "(.*)";
    }
    if (p.type === SEGMENT && isNamed && p.suffix !== "" && nameMore.test([...p.suffix][0])) body += "\\";
    body += escapePattern(p.suffix);
    out += (grouped ? `{${body}}` : body) + p.modifier;
  });
  return out;
};
