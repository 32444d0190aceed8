// Ports, previews and connections of a sandbox.
import { Request } from "../web/request.js";
import { call } from "./handle.js";
import { containerFetch } from "./containerfetch.js";
import { proxyTo, wsConnect, wsOpen } from "./connect.js";
import { terminal } from "./terminal.js";
import { fill } from "./options.js";

const value = (r) => r.value;

// portOf is the port that a request is for: the argument, what switchPort of
// @cloudflare/containers wrote, or that of the class; 0 is none.
const portOf = (request, port, usual) => port ?? Number(request.headers.get("cf-container-target-port") ?? usual ?? 0);

// bare has addresses without the "/" at their end: Workers append paths to them,
// `${url}/health`.
const bare = (exposed) => {
  for (const name of ["url", "exposedAt", "wsUrl"]) if (typeof exposed[name] === "string") exposed[name] = exposed[name].replace(/\/$/, "");
  return exposed;
};

// connectable are the methods.
export const connectable = {
  // exposePort takes options, or the name alone.
  exposePort(port, options) { return call(this, "exposePort", typeof options === "string" ? { port, name: options } : fill({ port }, options), bare); },
  unexposePort(port, options) { return call(this, "unexposePort", fill({ port }, options), () => undefined); },
  closePort(port, options) { return this.unexposePort(port, options); },
  // getExposedPorts answers {ports}; asked with a host name, as the vendor's is, the list.
  getExposedPorts(hostname) {
    return call(this, "getExposedPorts", {}, (r) => {
      r.ports.forEach(bare);
      return hostname === undefined ? r : Object.defineProperty(r.ports, "ports", { value: r.ports });
    });
  },
  isPortExposed(port) { return call(this, "isPortExposed", { port }, value); },
  validatePortToken(port, token) { return call(this, "validatePortToken", { port, token }, value); },
  createPreviewLink(port, options) { return call(this, "createPreviewLink", fill({ port }, options)); },
  getListeningPorts() { return call(this, "getListeningPorts", {}); },

  wsConnect(request, port, policy) { return wsConnect(this, request, port, policy); },
  wsOpen(port, options) { return wsOpen(this, port, options); },
  proxyTo(port, policy) { return proxyTo(this, port, policy); },
  terminal(request, options) { return terminal(this, request, options); },

  // fetch sends a request to a port of the sandbox; one for a WebSocket is connected.
  fetch(input, port) {
    const request = input instanceof Request ? input : new Request(input);
    return containerFetch(this, request, portOf(request, typeof port === "number" ? port : undefined, this.defaultPort));
  },
  // containerFetch takes (request, port) or (url, init, port).
  containerFetch(input, portOrInit, port) {
    const init = typeof portOrInit === "object" ? portOrInit : undefined;
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    return containerFetch(this, request, portOf(request, typeof portOrInit === "number" ? portOrInit : port, this.defaultPort));
  },
};
