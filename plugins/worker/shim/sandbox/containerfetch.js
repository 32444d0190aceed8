// Requests of the Worker to a port of a sandbox.
import { exchange } from "../web/fetch.js";
import { Request } from "../web/request.js";
import { checkPort, wsConnect } from "./connect.js";
import { invalid } from "./errors.js";
import { reference, requestOf } from "./handle.js";

// containerFetch sends a request to a port and gives the answer. One for a WebSocket is
// connected.
export const containerFetch = (h, input, port) => {
  const request = input instanceof Request ? input : new Request(input);
  if (port === 0) return Promise.reject(invalid("fetch", "no port is named: give it as the last argument, as in sandbox.fetch(request, 8080)", "INVALID_PORT"));
  if (request.headers.get("upgrade")?.toLowerCase() === "websocket") return wsConnect(h, request, port);
  const { binding, id, options } = reference(h);
  try {
    checkPort("fetch", port);
    return exchange(request, { redirect: "manual", sandbox: { binding, id, ...options }, port }, requestOf(h));
  } catch (e) { return Promise.reject(e); }
};
