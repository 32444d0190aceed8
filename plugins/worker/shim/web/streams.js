// The Streams Standard, file by file.
export { ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController, ReadableByteStreamController, ReadableStreamBYOBRequest } from "./stream_readable.js";
export { WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController } from "./stream_writable.js";
export { TransformStream, TransformStreamDefaultController, IdentityTransformStream, FixedLengthStream } from "./stream_transform.js";
export { ByteLengthQueuingStrategy, CountQueuingStrategy } from "./stream_queue.js";
export { TextDecoderStream, TextEncoderStream } from "./stream_text.js";
