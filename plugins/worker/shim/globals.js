// The list of what the runtime adds to globalThis, or replaces there.
import { Headers } from "./web/headers.js";
import { Request } from "./web/request.js";
import { Response } from "./web/response.js";
import { URL, URLSearchParams } from "./web/url.js";
import { TextDecoder, TextEncoder } from "./web/encoding.js";
import { Crypto, CryptoKey, SubtleCrypto, crypto } from "./web/crypto.js";
import { Performance, performance } from "./web/performance.js";
import { Navigator, navigator } from "./web/navigator.js";
import { console } from "./web/console.js";
import { clearImmediate, clearInterval, clearTimeout, scheduler, setImmediate, setInterval, setTimeout } from "./web/timers.js";
import { reportError } from "./web/report.js";
import { absent } from "./absent.js";

export const globals = {
  Headers, Request, Response,
  URL, URLSearchParams,
  TextDecoder, TextEncoder,
  Crypto, CryptoKey, SubtleCrypto, crypto,
  Performance, performance, Navigator, navigator,
  clearImmediate, clearInterval, clearTimeout, scheduler, setImmediate, setInterval, setTimeout,
  console, reportError,
  ...absent,
};
