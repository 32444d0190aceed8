// tee and pipeTo (Streams Standard, sections 4.9 and 4.2.4).
import { ReadableStream } from "./stream_readable.js";
import { deferred, quiet } from "./stream_queue.js";
import { whenAborted } from "./abort.js";

// tee makes two streams of one. Of bytes each branch has its own copy.
export const tee = (stream, bytes) => {
  const reader = stream.getReader(), cancelled = deferred();
  const branches = [{ ended: false }, { ended: false }];
  let reading = false, again = false, closed = false;
  const pull = () => {
    if (reading) { again = true; return; }
    reading = true;
    reader.read().then(({ value, done }) => {
      reading = false;
      if (done) {
        closed = true;
        for (const b of branches) if (!b.ended) { b.controller.close(); if (bytes) b.controller.byobRequest?.respond(0); }
        if (!branches[0].ended || !branches[1].ended) cancelled.resolve();
        return;
      }
      const second = bytes && !branches[0].ended && !branches[1].ended ? value.slice() : value;
      for (const [i, b] of branches.entries()) if (!b.ended) b.controller.enqueue(i === 0 ? value : second);
      if (again) { again = false; pull(); }
    }, () => { reading = false; });
  };
  const make = (own, other) => new ReadableStream({
    type: bytes ? "bytes" : undefined,
    start(c) { own.controller = c; },
    pull,
    cancel(reason) {
      own.ended = true;
      own.reason = reason;
      if (other.ended) cancelled.resolve(reader.cancel([branches[0].reason, branches[1].reason]));
      return cancelled.promise;
    },
  }, { highWaterMark: bytes ? 0 : 1 });
  const both = [make(branches[0], branches[1]), make(branches[1], branches[0])];
  reader.closed.then(undefined, (e) => {
    if (closed) return;
    for (const b of branches) b.controller.error(e);
    if (!branches[0].ended || !branches[1].ended) cancelled.resolve();
  });
  return both;
};

// pipe writes what source gives to dest, until either ends or the signal is aborted.
export const pipe = (source, dest, { preventClose, preventAbort, preventCancel, signal }) => {
  if (signal !== undefined && typeof signal?.aborted !== "boolean") throw new TypeError("the option signal is no AbortSignal");
  const reader = source.getReader(), writer = dest.getWriter(), end = deferred();
  let over = false, last = Promise.resolve(), release = () => {};
  // shut waits for writes under way, does what is left, and settles the promise.
  const shut = (action, failed, error) => {
    if (over) return;
    over = true;
    const settle = (f, e) => {
      release();
      writer.releaseLock();
      reader.releaseLock();
      if (f) end.reject(e); else end.resolve();
    };
    last.then(() => action === undefined ? undefined : action()).then(() => settle(failed, error), (e) => settle(true, e));
  };
  if (signal !== undefined) {
    const aborted = () => {
      const e = signal.reason;
      shut(() => Promise.all([preventAbort ? undefined : abortDest(e), preventCancel ? undefined : reader.cancel(e)]), true, e);
    };
    const abortDest = (e) => writer.abort(e);
    if (signal.aborted) { aborted(); return end.promise; }
    release = whenAborted(signal, aborted);
  }
  const broken = (e) => shut(preventAbort ? undefined : () => writer.abort(e), true, e);
  quiet(reader.closed);
  reader.closed.then(undefined, broken);
  writer.closed.then(() => {
    if (over) return;
    const e = new TypeError("The destination of a pipe was closed before its source.");
    shut(preventCancel ? undefined : () => reader.cancel(e), true, e);
  }, (e) => shut(preventCancel ? undefined : () => reader.cancel(e), true, e));
  const step = () => {
    if (over) return;
    writer.ready.then(() => {
      if (over) return undefined;
      return reader.read().then(({ value, done }) => {
        if (over && done) return;
        if (done) return shut(preventClose ? undefined : () => writer.close(), false);
        last = quiet(writer.write(value)).then(undefined, () => {});
        step();
      });
    }).then(undefined, () => {}); // told by closed
  };
  step();
  return end.promise;
};
