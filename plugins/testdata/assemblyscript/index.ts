// A guest of the registry's tests: three host calls, an operation, or garbage.
import { Request, Response, getSandbox, handle } from "edge-sdk";
export * from "edge-sdk/exports";

handle((request: Request): Response => {
  const path = request.path;
  if (path == "/exec") {
    const result = getSandbox("Sandbox", "one").exec("echo " + request.header("Accept"), { timeout: 5000 });
    return result.failed ? result.fail() : Response.text(200, result.value.stdout);
  }
  if (path == "/garbage") {
    let text = "";
    for (let i = 0; i < 1000; i++) text = i.toString() + text.substr(0, 100);
    return Response.text(200, text);
  }
  if (path == "/throw") throw new Error("on purpose");
  if (path == "/grow") {
    const big = new Uint8Array(1 << 20);
    return Response.bytes(200, "", big);
  }
  return Response.text(200, request.header("Accept"));
});
