// The requests that are open, and what belongs to them.
import { edge } from "./edge.js";
import { current } from "./current.js";
import { log, describe, ERROR, WARN } from "./log.js";
import { table } from "./table.js";
import { AbortController } from "../web/abort.js";

// The engine's entries look at how many there are.
export const open = table(); // request -> task

// Task is what is known of an open request. What most requests never need is on the
// prototype until it is set.
const Task = {
  __proto__: null,
  own: true, // as the state of a Request, which it is too
  calls: 0, // that wait for the host
  over: false,
  answered: false,
  passThrough: false, // what to do when the Worker throws
  pump: null, // what sends the answer's body
  held: 0, // promises of waitUntil
  holding: false, // the edge was asked to keep the request
  controller: null, // of the request's signal
};

// begin notes a request.
export const begin = (req) => {
  const task = { __proto__: Task, req };
  open.set(req, task);
  return task;
};

export const taskOf = (req) => open.get(req);
export const isOpen = (req) => open.has(req);

// remove ends a task.
export const remove = (task) => {
  task.over = true;
  open.delete(task.req);
};

// everyTask calls f with each open task.
export const everyTask = (f) => open.forEach(f);

// owner is the request itself while it is open, else 0: what is done then belongs to
// the instance.
export const owner = (req) => open.has(req) ? req : 0;

// signalOf is a request's signal, which is aborted when the client goes away.
export const signalOf = (req) => {
  const task = open.get(req);
  if (task === undefined) return new AbortController().signal;
  return (task.controller ??= new AbortController()).signal;
};

// passThrough has the next plugin decide when the Worker fails.
export const passThrough = (req) => {
  const task = open.get(req);
  if (task !== undefined) task.passThrough = true;
};

let settled; // what to do with a task that may be over

// whenSettled is for the entries: f(task) is called when nothing holds a task back.
export const whenSettled = (f) => { settled = f; };

// waitUntil keeps a request and its calls until the promise is settled, at most 30
// seconds after the answer.
export const waitUntil = (req, promise) => {
  const task = open.get(req);
  if (task === undefined) {
    log(WARN, "waitUntil() was called when the request was over: nothing keeps what it waits for");
    return;
  }
  if (!task.holding) {
    task.holding = true;
    const r = edge.hold(req);
    if (r < 0) log(WARN, "waitUntil(): the edge does not keep requests after their answer");
  }
  task.held++;
  const drop = () => {
    task.held--;
    if (task.held === 0 && task.answered) settled(task);
  };
  Promise.resolve(promise).then(drop, (e) => {
    try { log(ERROR, "Uncaught in waitUntil(): " + describe(e), current() === req ? undefined : req); } finally { drop(); }
  });
};
