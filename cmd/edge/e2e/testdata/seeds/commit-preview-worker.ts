// Your Worker routes automatically
export default {
  async fetch(request, env) {
    return proxyToSandbox(request, env.Sandbox, "sandbox-id");
  },
};
