// The list of what the runtime adds to globalThis, or replaces there.
import { Headers } from "./web/headers.js";
import { Request } from "./web/request.js";
import { Response } from "./web/response.js";
import { URL, URLSearchParams } from "./web/url.js";
import { console } from "./web/console.js";
import { absent } from "./absent.js";

export const globals = {
  Headers, Request, Response,
  URL, URLSearchParams,
  console,
  ...absent,
};
