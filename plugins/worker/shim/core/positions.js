// Positions of the bundle in its sources, read when an error is shown. They come as a
// source map (ECMA-426) whose lines stand alone: each one's numbers begin at 0 again,
// so that one line is found without reading those before it.
let map = null, rows = null;
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// find returns where a place of the bundle comes from, "" if that is not known. All
// numbers count from 0.
const find = (line, column) => {
  rows ??= map.mappings.split(";");
  const row = rows[line] ?? "";
  const sums = [0, 0, 0, 0];
  let best = null, field = 0, value = 0, shift = 0;
  for (let i = 0; i <= row.length; i++) {
    const d = i < row.length ? digits.indexOf(row[i]) : -1;
    if (d < 0) { // the end of a segment
      if (sums[0] > column) break;
      if (field === 4) best = sums.slice();
      field = 0;
      continue;
    }
    value |= (d & 31) << shift;
    shift += 5;
    if (d & 32) continue;
    sums[field++] += value & 1 ? -(value >> 1) : value >> 1;
    value = shift = 0;
  }
  return best === null ? "" : `${map.sources[best[1]]}:${best[2] + 1}:${best[3] + 1}`;
};

// positions sets the source map, an object {sources, mappings}.
export const positions = (m) => { map = m; rows = null; };

// source replaces the places in a stack by those of the sources. Those of the runtime
// are left out, because nobody can do anything there; if there are no others, the first
// one stays. A place in a text that was parsed, as JSON, is none: the message
// has it. Nor are those of the engine's own functions between it and the Worker.
export const source = (text) => {
  if (map === null) return text;
  const frames = text.split("\n"), own = [];
  const parsed = frames[0].startsWith("    at <input>:");
  let length = 0; // up to the last place of the Worker
  for (const frame of frames) {
    if (frame.includes("(edge:") || parsed && length === 0 && /at <input>:|\(native\)$/.test(frame)) continue;
    const shown = frame.replace(/worker\.js:(\d+):(\d+)/, (whole, line, column) => find(line - 1, column - 1) || whole);
    if (shown.includes("(edge:")) continue;
    own.push(shown);
    if (shown !== frame) length = own.length;
  }
  if (own.length === frames.length) return own.join("\n");
  return length > 0 ? own.slice(0, length).join("\n") : parsed ? "" : frames[0];
};
