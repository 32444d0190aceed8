// What a developer is told in answers: why the Worker failed.
import { edge } from "./edge.js";

let development = false;

// develop says that the edge is the Worker's developer's own.
export const develop = () => { development = true; };

const HOST = 3, REMOTE_ADDRESS = 6, MOST = 2000;

// What proxies and tunnels add, besides X-Forwarded-For, which plugins do not see.
const brought = ["via", "x-real-ip", "cf-connecting-ip"];

// isDeveloper tells whether a request is the developer's: it comes from this machine, by a
// name of this machine, and no proxy says that it brings it for somebody else. Tunnels
// leave the name in Host that they are reached by.
export const isDeveloper = (req) => development &&
  /^(127\.[\d.]+|\[::1\]):\d+$/.test(edge.req_get(req, REMOTE_ADDRESS)) &&
  /^((.+\.)?localhost|127\.[\d.]+|\[::1\])(:\d+)?$/i.test(edge.req_get(req, HOST)) &&
  !brought.some((name) => typeof edge.req_header(req, name) === "string");

// brief is of the log's text of an error what it says, without its causes, and the
// innermost place of the Worker.
export const brief = (text) => {
  const place = /\n   ( at (?!.*\((?:edge:|native\))).*)/.exec(text), end = /\n(    at |caused by )/.exec(text);
  const s = (end === null ? text : text.slice(0, end.index)) + (place === null ? "" : place[1]);
  return s.length > MOST ? s.slice(0, MOST).toWellFormed() + " ..." : s;
};
