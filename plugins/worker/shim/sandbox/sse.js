// Server-Sent Events, in which the vendor's streams are written, and the streams of
// the edge as such.
import { edge } from "../core/index.js";
import { TextDecoder } from "../web/encoding.js";
import { ReadableStream } from "../web/streams.js";
import { flow } from "./handle.js";
import { fill } from "./options.js";

const encode = (event) => edge.utf8_encode("data: " + JSON.stringify(event) + "\n\n");

// stamp is an event as the vendor's have it.
const stamp = (event) => { event.timestamp = new Date().toISOString(); return event; };

// events makes a ReadableStream of what an operation tells: words(event) gives the
// events that are written for one of the edge's. An error is the last event.
export const events = (opening, words, signal) => {
  return opening.then((source) => {
    const stop = () => source.close(), ended = () => signal?.removeEventListener("abort", stop);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop);
    return new ReadableStream({
      pull(controller) {
        const write = (event) => {
          if (signal?.aborted) throw signal.reason;
          if (event === null) { ended(); return controller.close(); }
          const out = words(event);
          for (const e of out) controller.enqueue(encode(stamp(e)));
          if (out.length === 0) return this.pull(controller);
        };
        const fail = (e) => {
          ended();
          if (signal?.aborted) return controller.error(signal.reason);
          controller.enqueue(encode(stamp({ type: "error", error: e.message, code: e.code, details: e.details })));
          controller.close();
        };
        return source.event().then(write, fail);
      },
      cancel() { ended(); source.close(); },
    });
  });
};

// follow is a process's log as events: stdout, stderr, dropped and exit.
export const follow = (h, processId, options) =>
  events(flow(h, "streamLogs", fill({ processId, follow: true }, options)), (e) => { e.processId = processId; return [e]; }, options?.signal);

// messages splits a stream of bytes into events, whose data it returns one by one.
async function* messages(stream, signal) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const stop = () => { reader.cancel(signal.reason).catch(() => {}); };
  signal?.addEventListener("abort", stop);
  let rest = "", data = null;
  try {
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      const { value, done } = await reader.read();
      if (signal?.aborted) throw signal.reason;
      rest += done ? decoder.decode() + "\n\n" : decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?=[^\n])/);
      rest = done ? "" : lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data !== null) { const whole = data; data = null; yield whole; }
        } else if (line.startsWith("data:")) {
          const text = line.slice(line[5] === " " ? 6 : 5);
          data = data === null ? text : data + "\n" + text;
        }
      }
      if (done) return;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    reader.cancel().catch(() => {});
  }
}

// parseSSEStream reads events of JSON; what is none is passed over.
export async function* parseSSEStream(stream, signal) {
  for await (const data of messages(stream, signal)) {
    if (data === "[DONE]") return;
    let event;
    try { event = JSON.parse(data); } catch { continue; }
    yield event;
  }
}

// responseToAsyncIterable is parseSSEStream of an answer's body.
export const responseToAsyncIterable = (response, signal) => {
  if (!response.ok) throw new Error(`the answer's status is ${response.status}: no events are in it`);
  if (response.body === null) throw new Error("the answer has no body: no events are in it");
  return parseSSEStream(response.body, signal);
};

// asyncIterableToSSEStream writes what an iterable gives as events.
export const asyncIterableToSSEStream = (iterable, options = {}) => {
  const serialize = options.serialize ?? JSON.stringify;
  const iterator = iterable[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      if (options.signal?.aborted) return controller.error(options.signal.reason);
      const { value, done } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(edge.utf8_encode("data: " + serialize(value) + "\n\n"));
    },
    cancel() { return iterator.return?.(); },
  });
};
