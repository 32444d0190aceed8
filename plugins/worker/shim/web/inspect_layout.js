// How inspected values are written: strings in quotes, and parts in lines and columns.

// WIDTH is how long a line may become, in characters.
export const WIDTH = 80;

const escapes = { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\x0B", "\f": "\\f", "\r": "\\r", "\\": "\\\\" };

// quote writes a string with the quotes that it needs to escape least.
export const quote = (s) => {
  const mark = !s.includes("'") ? "'" : !s.includes('"') ? '"' : !s.includes("`") && !s.includes("${") ? "`" : "'";
  const body = s.replace(/[\x00-\x1f\\\x7f-\x9f']|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (c) => {
    if (c === "'") return mark === "'" ? "\\'" : c;
    const code = c.charCodeAt(0);
    return escapes[c] ?? (code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`);
  });
  return mark + body + mark;
};

// single is the parts on one line, or null if they are too long for it.
export const single = (output, taken, base) => {
  let total = 2 * output.length + taken;
  if (total + output.length > WIDTH) return null;
  total = output.length + output.length + taken;
  for (const s of output) {
    total += s.length;
    if (total > WIDTH) return null;
  }
  const line = output.join(", ");
  return base.includes("\n") || line.includes("\n") ? null : line;
};

// group puts the elements of a long list into columns, about as wide as high.
export const group = (output, indentation, list, most) => {
  const more = list.length > most && output.length > most ? 1 : 0;
  const count = output.length - more;
  const sizes = output.slice(0, count).map((s) => s.length + 2);
  const widest = Math.max(...sizes), total = sizes.reduce((a, b) => a + b, 0);
  if (widest * 3 + indentation >= WIDTH || !(total / widest > 5 || widest <= 8)) return output;
  const bias = Math.max(widest - 3 - Math.sqrt(widest - total / output.length), 1);
  const columns = Math.min(Math.round(Math.sqrt(2.5 * bias * count) / bias), Math.floor((WIDTH - indentation) / widest), 12, 15);
  if (columns <= 1) return output;
  const widths = [];
  for (let i = 0; i < columns; i++) {
    let w = 0;
    for (let j = i; j < count; j += columns) w = Math.max(w, sizes[j]);
    widths.push(w);
  }
  const isNumbers = Array.from(list).every((v) => typeof v === "number" || typeof v === "bigint");
  const rows = [];
  for (let i = 0; i < count; i += columns) {
    const row = output.slice(i, Math.min(i + columns, count));
    const end = row.length - 1;
    rows.push(row.map((s, j) => {
      if (isNumbers) return (j === end ? s : s + ", ").padStart(j === end ? widths[j] - 2 : widths[j]);
      return j === end ? s : (s + ", ").padEnd(widths[j]);
    }).join(""));
  }
  if (more) rows.push(output[count]);
  return rows;
};
