// node --test, after make wasm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EdgeError, Host, request, webSocket } from "edge-sdk/edge-test.mjs";

const load = () => Host.load(process.env.PLUGIN ?? new URL("../../../bin/wasm/echo-assemblyscript.wasm", import.meta.url));

/** sandbox answers like one whose server is in the given state. */
function sandbox(up, refuse) {
  return load()
    .on("waitForPort", (call) => {
      assert.deepEqual([call.port, call.processId, call.timeout], [8080, "ws-echo", 20000]);
      if (!up) throw new EdgeError("PROCESS_NOT_FOUND", `there is no process "${call.processId}"`);
    })
    .on("writeFile", (call) => {
      assert.equal(call.path, "/tmp/ws-echo.ts");
      assert.match(call.content, /Bun\.serve/);
    })
    .on("startProcess", (call) => {
      up = true;
      if (refuse) throw refuse;
      return { id: call.processId, status: "running" };
    });
}

const cold = ["waitForPort", "writeFile", "startProcess", "waitForPort"];

for (const [name, host, target, id, operations] of [
  ["a server that is up costs one operation", sandbox(true), "/?id=mine", "mine", ["waitForPort"]],
  ["a missing server is written and started", sandbox(false), "/?id=mine", "mine", cold],
  ["already exists is success", sandbox(false, new EdgeError("PROCESS_ALREADY_EXISTS", "already exists")), "/?id=mine", "mine", cold],
  ["without an id", sandbox(true), "/", "echo-service", ["waitForPort"]],
]) {
  test(name, () => {
    const { decision, calls } = host.do(webSocket(target));
    assert.deepEqual([decision.kind, decision.port, decision.sandbox.id], ["connect", 8080, id]);
    assert.deepEqual(calls.map((c) => c.name), operations);
  });
}

for (const [name, host, req, code] of [
  ["bad id", sandbox(true), webSocket("/?id=Not%20Good"), "INVALID_SANDBOX_ID"],
  ["another method", sandbox(true), request("POST", "/"), "INVALID_REQUEST"],
  ["a server that does not start", sandbox(false, new EdgeError("COMMAND_NOT_FOUND", "no bun")), webSocket("/"), "COMMAND_NOT_FOUND"],
]) {
  test(name, () => assert.equal(host.do(req).decision.error.code, code));
}

test("plain HTTP gets the state", () => {
  const host = load().on("getState", () => ({ state: "running", connections: 2 }));
  assert.deepEqual(JSON.parse(host.do(request("GET", "/?id=one")).decision.body), { id: "one", state: "running", connections: 2 });
});

test("memory does not grow", () => {
  const host = sandbox(true);
  const size = () => host.exports.memory.buffer.byteLength;
  for (let i = 0; i < 1000; i++) host.do(webSocket("/?id=mine"));
  const before = size();
  for (let i = 0; i < 20000; i++) host.do(webSocket("/?id=mine"));
  assert.equal(size(), before);
});
