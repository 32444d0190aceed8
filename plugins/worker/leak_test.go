package worker

import (
	"context"
	"encoding/json"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// leaky is a Worker whose requests use what could be kept for ever: signals that outlive
// them, listeners, timers, streams, operations that fail, that nobody waits for and that
// go on after the answer, console's groups, and header names that come once.
const leaky = `
import { getSandbox } from "@cloudflare/sandbox";
const stays = new AbortController();
export default { async fetch(request: Request, env: any, ctx: any) {
  const sandbox = getSandbox(env.Sandbox, "a");
  AbortSignal.any([stays.signal, request.signal]).throwIfAborted();
  new Request("http://a/", { signal: stays.signal }).signal.throwIfAborted();
  const ends = new AbortController();
  stays.signal.addEventListener("abort", () => {}, { signal: ends.signal });
  ends.abort();
  request.signal.onabort = () => request;
  clearTimeout(setTimeout(() => {}, 100000));
  await new Promise((resolve) => setTimeout(resolve, 0));
  await sandbox.exec("ls");
  try { await sandbox.exec("fail") } catch {}
  sandbox.exec("ls");
  ctx.waitUntil(sandbox.exec("ls"));
  console.group("g"); console.time("t"); console.count("c");
  new Headers({ ["x-" + crypto.randomUUID()]: crypto.randomUUID() });
  const [a, b] = new Response("abc").body!.tee();
  await Promise.all([new Response(a).text(), new Response(b.pipeThrough(new TransformStream())).text()]);
  for await (const piece of new Blob(["abc"]).stream()) piece;
  structuredClone({ a: [1, new Date()] });
  if (request.url.endsWith("/throws")) throw new Error("of ours");
  return new Response(new Blob(["answer"]).stream());
} };
`

// TestRequestsLeaveNothing has an isolate serve many requests: its memory does not grow
// with them.
func TestRequestsLeaveNothing(t *testing.T) {
	t.Parallel()
	op := operate(func(_ context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
		var q struct{ Command string }
		if err := json.Unmarshal(body, &q); err != nil || q.Command == "fail" {
			return nil, abi.Errorf(abi.CodeNotFound, "there is none")
		}
		return json.RawMessage(`{"stdout": "", "stderr": "", "exitCode": 0, "success": true}`), nil
	})
	trial, err := plugins.OpenTrial(t.Context(), plugins.Config{CacheDir: cacheDir}, plugins.Spec{Name: "w", Deadline: forever, Compute: forever, Bindings: plugins.Bindings{Sandboxes: map[string]string{"Sandbox": "Sandbox"}}}, build(t, leaky))
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close()
	after := func(n int) uint64 {
		for i := range n {
			path := "/"
			if i%10 == 9 {
				path = "/throws"
			}
			_, _, err := trial.Decide(t.Context(), request(path), plugins.Services{Operations: op})
			if (err != nil) != (path == "/throws") {
				t.Fatalf("%s: %v\n%s", path, err, trial.Output())
			}
		}
		return trial.Memory()
	}
	// Some 150 bytes that each request keeps are more than is allowed; the allocator's own
	// waste comes to rest before.
	before := after(200)
	if grown := int64(after(600)) - int64(before); grown > 80<<10 {
		t.Errorf("the memory grew by %d KiB", grown>>10)
	}
}
