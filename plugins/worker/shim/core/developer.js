// What a developer is told in answers: why the Worker failed.
import { edge } from "./edge.js";

let development = false;

// develop says that the edge is the Worker's developer's own.
export const develop = () => { development = true; };

const HOST = 3, REMOTE_ADDRESS = 6, MOST = 2000;

// isDeveloper tells whether a request is the developer's: it comes from this machine, by a
// name of this machine, and through no proxy, which could stand for anybody.
export const isDeveloper = (req) => development &&
  /^(127\.[\d.]+|\[::1\]):\d+$/.test(edge.req_get(req, REMOTE_ADDRESS)) &&
  /^((.+\.)?localhost|127\.[\d.]+|\[::1\])(:\d+)?$/i.test(edge.req_get(req, HOST)) &&
  typeof edge.req_header(req, "x-forwarded-for") !== "string" && typeof edge.req_header(req, "forwarded") !== "string";

// brief is of the log's text of an error what it says, and the innermost place.
export const brief = (text) => {
  const end = /\n    at .*/.exec(text);
  const s = end === null ? text : text.slice(0, end.index) + end[0].replace("\n   ", "");
  return s.length > MOST ? s.slice(0, MOST).toWellFormed() + " ..." : s;
};
