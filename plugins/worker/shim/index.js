// The runtime of Workers. It is evaluated once, before any Worker is known; what it
// leaves of itself in globalThis are the platform's globals and __edge, which the
// Worker's bundle takes and deletes: {modules, serve} and what the entries need.
import { edge } from "./core/edge.js";
import { handlers, serve } from "./core/entries.js";
import { globals } from "./globals.js";
import { random } from "./web/random.js";
import * as sandbox from "./sandbox/index.js";
import * as workers from "./workers.js";

const table = globalThis.__edge;
Object.assign(edge, table);
for (const name of Object.keys(table)) delete table[name]; // not for Workers
Object.assign(table, handlers);
table.modules = { "@cloudflare/sandbox": sandbox, "cloudflare:workers": workers };
table.serve = serve;

for (const name of Object.keys(globals)) Object.defineProperty(globalThis, name, { value: globals[name], writable: true, enumerable: false, configurable: true });
Math.random = random;
