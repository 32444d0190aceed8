// What other platforms of Workers have as globals and this one has not: each says so by
// name, and what to use.
import { unsupported } from "./sandbox/errors.js";

const lacking = (name, suggestion) => ({
  [name]: class { constructor() { throw unsupported("new " + name, suggestion); } },
})[name];

// An object whose every property is a function that fails.
const without = (name, methods, suggestion) => {
  const object = {};
  for (const m of methods) object[m] = () => Promise.reject(unsupported(`${name}.${m}`, suggestion));
  return object;
};

const cached = without("Cache", ["match", "put", "delete"], "a key-value namespace (grants: kv) keeps what is to be found again");

export const absent = {
  WebSocketPair: lacking("WebSocketPair", "the edge splices a client with a server in a sandbox: return sandbox.wsConnect(request, port)"),
  HTMLRewriter: lacking("HTMLRewriter", "rewrite the text of the answer, or the page in the server that makes it"),
  EventSource: lacking("EventSource", "fetch() the stream and read it with parseSSEStream of @cloudflare/sandbox"),
  caches: { default: cached, ...without("caches", ["open", "match", "has", "delete", "keys"], "a key-value namespace (grants: kv) keeps what is to be found again") },
};
