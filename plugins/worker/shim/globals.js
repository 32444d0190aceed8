// The list of what the runtime adds to globalThis, or replaces there.
import { Headers } from "./web/headers.js";
import { Request } from "./web/request.js";
import { Response } from "./web/response.js";
import { Blob, File } from "./web/blob.js";
import { FormData } from "./web/formdata.js";
import { AbortController, AbortSignal } from "./web/abort.js";
import { CloseEvent, CustomEvent, ErrorEvent, Event, EventTarget, MessageEvent } from "./web/events.js";
import * as streams from "./web/streams.js";
import { structuredClone, uncloneable } from "./web/clone.js";
import { URL, URLSearchParams } from "./web/url.js";
import { URLPattern } from "./web/urlpattern.js";
import { TextDecoder, TextEncoder } from "./web/encoding.js";
import { Crypto, CryptoKey, SubtleCrypto, crypto } from "./web/crypto.js";
import { Performance, performance } from "./web/performance.js";
import { Navigator, navigator } from "./web/navigator.js";
import { console } from "./web/console.js";
import { clearImmediate, clearInterval, clearTimeout, scheduler, setImmediate, setInterval, setTimeout } from "./web/timers.js";
import { reportError } from "./web/report.js";
import { fetch } from "./web/fetch.js";
import { WebSocket } from "./web/websocket.js";
import { absent } from "./absent.js";

export const globals = {
  Headers, Request, Response, Blob, File, FormData,
  AbortController, AbortSignal,
  CloseEvent, CustomEvent, ErrorEvent, Event, EventTarget, MessageEvent,
  ...streams,
  structuredClone,
  URL, URLPattern, URLSearchParams,
  TextDecoder, TextEncoder,
  Crypto, CryptoKey, SubtleCrypto, crypto,
  Performance, performance, Navigator, navigator,
  clearImmediate, clearInterval, clearTimeout, scheduler, setImmediate, setInterval, setTimeout,
  console, reportError,
  fetch, WebSocket,
  self: globalThis,
  ...absent,
};

// What the platform's classes hold is not among an object's properties.
uncloneable([Headers, Request, Response, FormData, AbortController, EventTarget, Event, URL, URLSearchParams, streams.ReadableStream, streams.WritableStream, streams.TransformStream]);
