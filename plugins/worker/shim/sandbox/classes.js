// Classes of the Worker that extend Sandbox. Their fields are defaults of getSandbox, read
// once, when the Worker is built; nothing of them ever runs beside a sandbox.
import { edge } from "../core/edge.js";
import { describe } from "../core/log.js";

// NOTICE is the level of what the builder tells its author (quickjs.go).
const NOTICE = 5;

const hooks = ["onStart", "onStop", "onError", "onActivityExpired"];
const instead = {
  entrypoint: "entrypoint: or start: of the binding, in edge.yaml", enableInternet: "network: of the binding, in edge.yaml",
  requiredPorts: "waitForPort() says when one is there", allowedHosts: "network: of the binding, in edge.yaml", deniedHosts: "network: of the binding, in edge.yaml",
};

let classes = null; // of the settings of each; null is no class with any

// environment is the env that a constructor finds: none yet.
const environment = new Proxy({}, {
  get(_, name) { throw new Error(`env.${String(name)} is not there when the Worker is built: give what depends on it to getSandbox`); },
});

const notice = (text) => edge.log(0, NOTICE, text, null);

// settings are what a class says of its sandboxes; it is told what of that does not count.
const settings = (name, c) => {
  const ran = hooks.filter((hook) => typeof c.prototype[hook] === "function");
  if (ran.length > 0) notice(`class ${name} extends Sandbox: ${ran.join(", ")} will never be called: no code of a Worker runs beside a sandbox. What a sandbox starts with is start: of the binding, in edge.yaml`);
  let made;
  try { made = new c({}, environment); } catch (e) {
    notice(`class ${name} extends Sandbox: its fields are not read, because making one fails: ${describe(e).split("\n")[0]}`);
    return {};
  }
  for (const field in instead) {
    if (Object.hasOwn(made, field)) notice(`class ${name} extends Sandbox: ${field} is not read; instead there is ${instead[field]}`);
  }
  const said = {};
  for (const field of ["sleepAfter", "keepAlive", "envVars", "defaultPort"]) {
    if (Object.hasOwn(made, field) && made[field] !== undefined) said[field] = made[field];
  }
  return said;
};

// declare reads the classes among the exports of the Worker.
export const declare = (exports, base) => {
  const all = { __proto__: null };
  for (const name in exports) {
    const c = exports[name];
    if (typeof c !== "function") continue;
    if (c === base) all[plain(name)] = {};
    else if (c.prototype instanceof base) all[plain(name)] = settings(name, c);
  }
  if (Object.values(all).some((said) => Object.keys(said).length > 0)) classes = all;
};

// plain is a name as SANDBOX_ONE and SandboxOne have it in common.
const plain = (name) => name.replaceAll("_", "").toLowerCase();

// defaultsOf is what the class of a binding says: that of its name in env or in the
// configuration, or the only one. It is undefined where no class says anything.
export const defaultsOf = (binding, name, aliasOf) => {
  if (classes === null) return undefined;
  const names = Object.keys(classes);
  return names.length === 1 ? classes[names[0]] : classes[plain(aliasOf(binding))] ?? classes[plain(name)];
};

// over are the options of getSandbox on top of a class's.
export const over = (said, options) => {
  const { defaultPort, envVars, ...rest } = said, { env, envVars: vars, ...own } = options ?? {};
  const all = { ...rest };
  for (const name in own) if (own[name] !== undefined) all[name] = own[name];
  if (own.sleepAfter !== undefined && own.keepAlive === undefined) delete all.keepAlive; // the later of the two counts
  if (envVars !== undefined || env !== undefined || vars !== undefined) all.env = { ...envVars, ...(env ?? vars) };
  return all;
};
