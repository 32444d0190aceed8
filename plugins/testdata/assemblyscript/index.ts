// A guest of the registry's tests: three host calls, an operation, or garbage.
import { Json, JsonWriter, Kind, Request, Response, getSandbox, handle } from "edge-sdk";
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
  if (path == "/text") {
    const text = request.text(1 << 20);
    return text.failed ? text.fail() : Response.text(200, text.value);
  }
  if (path == "/json") {
    const text = request.text(1 << 20);
    if (text.failed) return text.fail();
    const value = Json.parse(text.value);
    if (value === null) return Response.text(400, "no JSON");
    const w = new JsonWriter();
    copy(w, "", value);
    return Response.json(200, w);
  }
  return Response.text(200, request.header("Accept"));
});

// copy writes a value anew, piece by piece.
function copy(w: JsonWriter, name: string, value: Json): void {
  switch (value.kind) {
    case Kind.OBJECT: {
      w.object(name);
      const names = value.names();
      const fields = value.list();
      for (let i = 0; i < names.length; i++) copy(w, names[i], fields[i]);
      w.end();
      return;
    }
    case Kind.ARRAY: {
      w.array(name);
      const items = value.list();
      for (let i = 0; i < items.length; i++) copy(w, "", items[i]);
      w.end();
      return;
    }
    case Kind.TEXT: w.text(name, value.asString()); return;
    case Kind.BOOL: w.bool(name, value.asBool()); return;
    case Kind.NUMBER: {
      const n = value.asNumber();
      if (n == Math.floor(n) && Math.abs(n) < 9007199254740992) w.integer(name, value.asInteger()); else w.number(name, n);
      return;
    }
    default: w.nil(name);
  }
}
