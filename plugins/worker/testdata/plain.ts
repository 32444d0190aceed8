interface Env {}
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    return new Response(`${request.method} ${url.pathname} ${request.headers.get("user-agent")}`);
  },
};
