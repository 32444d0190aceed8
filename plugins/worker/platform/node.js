// Runs all cases with Node's own classes: node node.js FILE... writes {file: {case:
// answer}}. With "surface NAME..." it writes which members Node's globals have.

import { format } from "node:util";
import { answer } from "./answer.js";
import { members } from "./members.js";

globalThis.shown = format; // what console.log would write

const [first, ...rest] = process.argv.slice(2);

const all = async (files) => {
  const out = {};
  for (const file of files) {
    const name = file.split("/").pop().replace(/\.js$/, ""), answers = {};
    const cases = (await import(file)).default;
    for (const c of Object.keys(cases)) answers[c] = await answer(cases[c]);
    out[name] = answers;
  }
  return out;
};

const out = first === "surface" ? Object.fromEntries(rest.map((name) => [name, members(name)])) : await all([first, ...rest]);
process.stdout.write(JSON.stringify(out), () => process.exit(0)); // some cases leave timers
