// Positions of the bundle in its sources: a source map, read when an error is shown.
let map = null, rows = null;
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const read = () => {
  rows = [];
  let file = 0, line = 0, column = 0;
  for (const row of map.mappings.split(";")) {
    const out = [];
    let at = 0, i = 0;
    const next = () => {
      let v = 0, shift = 0, d;
      do { d = digits.indexOf(row[i++]); v |= (d & 31) << shift; shift += 5; } while (d & 32);
      return v & 1 ? -(v >> 1) : v >> 1;
    };
    while (i < row.length) {
      at += next();
      if (i < row.length && row[i] !== ",") { file += next(); line += next(); column += next(); out.push([at, file, line, column]); }
      if (i < row.length && row[i] !== ",") next();
      i++;
    }
    rows.push(out);
  }
};

// positions sets the source map, an object.
export const positions = (m) => { map = m; rows = null; };

// source replaces the positions in a stack by those of the sources.
export const source = (text) => map === null ? text : text.replace(/worker\.js:(\d+):(\d+)/g, (whole, l, c) => {
  if (rows === null) read();
  let best = null;
  for (const r of rows[l - 1] ?? []) if (r[0] <= c - 1) best = r;
  return best === null ? whole : `${map.sources[best[1]].split("/").pop()}:${best[2] + 1}:${best[3] + 1}`;
});
