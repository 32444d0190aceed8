// TextDecoderStream and TextEncoderStream (Encoding Standard, section 7).
import { TransformStream } from "./stream_transform.js";
import { TextDecoder, TextEncoder } from "./encoding.js";
import { expose } from "./idl.js";

export class TextDecoderStream {
  #decoder; #both;
  constructor(label, options) {
    const decoder = this.#decoder = new TextDecoder(label, options);
    this.#both = new TransformStream({
      transform(chunk, c) { const s = decoder.decode(chunk, { stream: true }); if (s !== "") c.enqueue(s); },
      flush(c) { const s = decoder.decode(); if (s !== "") c.enqueue(s); },
    });
  }
  get encoding() { return this.#decoder.encoding; }
  get fatal() { return this.#decoder.fatal; }
  get ignoreBOM() { return this.#decoder.ignoreBOM; }
  get readable() { return this.#both.readable; }
  get writable() { return this.#both.writable; }
}
expose(TextDecoderStream);

export class TextEncoderStream {
  #both;
  constructor() {
    const encoder = new TextEncoder();
    let high = ""; // the first half of a pair whose second may follow
    this.#both = new TransformStream({
      transform(chunk, c) {
        let s = high + String(chunk);
        high = "";
        const last = s.charCodeAt(s.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) { high = s.slice(-1); s = s.slice(0, -1); }
        if (s !== "") c.enqueue(encoder.encode(s));
      },
      flush(c) { if (high !== "") c.enqueue(new Uint8Array([0xef, 0xbf, 0xbd])); },
    });
  }
  get encoding() { return "utf-8"; }
  get readable() { return this.#both.readable; }
  get writable() { return this.#both.writable; }
}
expose(TextEncoderStream);
