// navigator: what Workers look at to learn where they are.

import { expose } from "./idl.js";

class Navigator {
  get userAgent() { return "edge"; }
  get language() { return "en"; }
  get hardwareConcurrency() { return 1; }
}

expose(Navigator);

export { Navigator };
export const navigator = new Navigator();
