import { route } from "./route";

export { Sandbox } from "@cloudflare/sandbox";
export default { fetch: route };
