import { getSandbox, proxyToSandbox } from "@cloudflare/sandbox";

export async function route(request: Request, env: Env): Promise<Response> {
  return (await proxyToSandbox(request, env)) ?? Response.json(await getSandbox(env.Sandbox, "one").exec("uname"));
}
