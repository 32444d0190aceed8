// Files as streams: bytes as they are, and the vendor's events of them.
import { edge } from "../core/index.js";
import { joined } from "../web/bytes.js";
import { TextDecoder } from "../web/encoding.js";
import { ReadableStream } from "../web/streams.js";
import { failure } from "./errors.js";
import { flow } from "./handle.js";
import { isBinary, mediaType } from "./media.js";
import { parseSSEStream } from "./sse.js";

// sources are the files behind streams of events that nobody has read from.
const sources = new WeakMap();

// opened is a file: what it is, and the stream that its bytes follow on.
const opened = (h, fields) => flow(h, "readFileStream", fields).then((source) => source.event().then((info) => ({ info, source })));

// rawFile is a file's bytes as they are.
export const rawFile = (h, fields) => opened(h, fields).then(({ info, source }) => ({
  info,
  stream: new ReadableStream({
    pull(controller) { return source.next().then((bytes) => { if (bytes === null) controller.close(); else controller.enqueue(bytes); }); },
    cancel() { source.close(); },
  }, { highWaterMark: 0 }),
}));

const kind = (info, first) => {
  const binary = first !== null && isBinary(first, edge.utf8_check(first));
  return { mimeType: mediaType(info.path, binary), size: info.size, isBinary: binary, encoding: binary ? "base64" : "utf-8" };
};

const base64 = (bytes) => btoa(edge.latin1_decode(bytes));

// fileEvents is a file as events: metadata, chunk and complete.
export const fileEvents = (h, fields) => opened(h, fields).then((file) => {
  const write = (event) => edge.utf8_encode("data: " + JSON.stringify(event) + "\n\n");
  const decoder = new TextDecoder();
  let metadata = null, bytesRead = 0;
  const stream = new ReadableStream({
    pull(controller) {
      sources.delete(stream);
      return file.source.next().then((bytes) => {
        if (metadata === null) {
          metadata = kind(file.info, bytes);
          controller.enqueue(write({ type: "metadata", ...metadata }));
        }
        if (bytes === null) {
          const rest = decoder.decode(); // of a character that the file's end cuts
          if (rest !== "") controller.enqueue(write({ type: "chunk", data: rest }));
          controller.enqueue(write({ type: "complete", bytesRead }));
          return controller.close();
        }
        bytesRead += bytes.length;
        controller.enqueue(write({ type: "chunk", data: metadata.isBinary ? base64(bytes) : decoder.decode(bytes, { stream: true }) }));
      }, (e) => {
        controller.enqueue(write({ type: "error", error: e.message, code: e.code }));
        controller.close();
      });
    },
    cancel() { file.source.close(); },
  }, { highWaterMark: 0 });
  sources.set(stream, file);
  return stream;
});

// streamFile gives a file's pieces, strings or bytes as it is text or not, and at its
// end what it is.
export async function* streamFile(stream) {
  const file = sources.get(stream);
  if (file !== undefined) {
    sources.delete(stream);
    let bytes = await file.source.next();
    const metadata = kind(file.info, bytes);
    const decoder = new TextDecoder();
    try {
      for (; bytes !== null; bytes = await file.source.next()) yield metadata.isBinary ? bytes : decoder.decode(bytes, { stream: true });
      const rest = decoder.decode(); // of a character that the file's end cuts
      if (rest !== "") yield rest;
    } finally { file.source.close(); }
    return metadata;
  }
  let metadata = null;
  for await (const event of parseSSEStream(stream)) {
    switch (event.type) {
      case "metadata": {
        const { type, ...rest } = event;
        metadata = rest;
        break;
      }
      case "chunk":
        yield metadata?.isBinary ? Uint8Array.from(atob(event.data), (c) => c.charCodeAt(0)) : event.data;
        break;
      case "error": throw failure({ operation: "readFileStream" }, event.error, event.code);
      case "complete": return metadata;
    }
  }
  throw failure({ operation: "readFileStream", retryable: true }, "the stream ended before the file did", "INTERNAL");
}

// collectFile reads a whole file.
export const collectFile = async (stream) => {
  const pieces = streamFile(stream), parts = [];
  for (;;) {
    const { value, done } = await pieces.next();
    if (!done) { parts.push(value); continue; }
    if (!value.isBinary) return { content: parts.join(""), metadata: value };
    return { content: joined(parts), metadata: value };
  }
};
