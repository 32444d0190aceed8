// console.table: rows and columns in a frame.

import { inspect } from "./inspect.js";

const isObject = (v) => typeof v === "object" && v !== null;

// rowsOf gives the index and the value of each row, and the name of the index.
const rowsOf = (data) => {
  if (data instanceof Map) return { name: "(iteration index)", rows: [...data].map(([k, v], i) => [String(i), { Key: k, Values: v }]) };
  if (data instanceof Set) return { name: "(iteration index)", rows: [...data].map((v, i) => [String(i), v]) };
  return { name: "(index)", rows: Object.keys(data).map((k) => [k, data[k]]) };
};

export const table = (data, columns) => {
  const { name, rows } = rowsOf(data);
  const keys = columns === undefined ? [...new Set(rows.flatMap(([, v]) => (isObject(v) ? Object.keys(v) : [])))] : columns.map(String);
  const hasPlain = columns === undefined && rows.some(([, v]) => !isObject(v));
  const head = [name, ...keys, ...(hasPlain ? ["Values"] : [])];
  const show = (v) => inspect(v, { depth: 0 });
  const body = rows.map(([i, v]) => [
    i,
    ...keys.map((k) => (isObject(v) && Object.hasOwn(v, k) ? show(v[k]) : "")),
    ...(hasPlain ? [isObject(v) ? "" : show(v)] : []),
  ]);
  const widths = head.map((h, c) => Math.max(h.length, ...body.map((r) => r[c].length)) + 2);
  const rule = (left, middle, right) => left + widths.map((w) => "─".repeat(w)).join(middle) + right;
  const line = (cells) => "│" + cells.map((s, c) => (" " + s).padEnd(widths[c])).join("│") + "│";
  return [rule("┌", "┬", "┐"), line(head), rule("├", "┼", "┤"), ...body.map(line), rule("└", "┴", "┘")].join("\n");
};
