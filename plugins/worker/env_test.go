package worker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"edge/plugins"
)

// granted has a plugin find values, secrets, a namespace and sandboxes.
func granted(s *plugins.Spec) {
	s.Config = map[string]json.RawMessage{"NAME": json.RawMessage(`"blue"`), "LIMITS": json.RawMessage(`{"max":5}`)}
	s.Secrets = map[string]string{"API_KEY": "hunter2"}
	s.Grants = &plugins.Grants{Sandboxes: map[string][]string{"Sandbox": {"*"}, "Other": {"x*"}}, KV: "w", Fetch: []string{"https://api.example.com"}}
	s.Bindings = plugins.Bindings{Sandboxes: map[string]string{"Box": "Sandbox"}, KV: map[string]string{"CACHE": "cache/"}}
}

// TestEnv looks at what a Worker is given besides its request.
func TestEnv(t *testing.T) {
	t.Parallel()
	s := &services{}
	p, log := s.with(t, `import { env as same, waitUntil } from "cloudflare:workers";
import { getSandbox } from "@cloudflare/sandbox";
const early = Object.keys(same).length;
export default { async fetch(request: Request, env: any, ctx: any) {
  const id = env.Box.idFromName("A"), unique = env.Box.newUniqueId();
  return Response.json({
    early, names: Object.keys(env).sort(), same: env === same, name: env.NAME, limits: env.LIMITS, key: env.API_KEY, again: env.API_KEY === same.API_KEY,
    id: [String(id), id.name, id.equals(env.Box.idFromName("A"))], unique: /^[0-9a-f]{32}$/.test(unique.toString()), other: unique.equals(env.Box.newUniqueId()),
    ctx: [typeof ctx.waitUntil, typeof ctx.passThroughOnException, typeof waitUntil, typeof ctx.props],
    stub: typeof env.Other.getByName("x1").exec, sandbox: typeof getSandbox(env.Box, "b").exec,
    json: JSON.stringify(env.Box), absent: env.NOTHING === undefined,
  });
} };`, granted)
	want := `200 {"early":0,"names":["API_KEY","Box","CACHE","KV","LIMITS","NAME","Other","Sandbox"],"same":true,"name":"blue","limits":{"max":5},"key":"hunter2","again":true,` +
		`"id":["A","A",true],"unique":true,"other":false,"ctx":["function","function","function","object"],"stub":"function","sandbox":"function","json":"{}","absent":true}`
	for range 2 { // the second time from what the first made
		if got := tell(t, p, request("/")); got != want {
			t.Errorf("got  %s\nwant %s\n%s", got, want, log)
		}
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log has the secret")
	}
}

// TestEnvDenied wants what was not granted to be told with the key to add.
func TestEnvDenied(t *testing.T) {
	t.Parallel()
	s := &services{}
	p, log := s.with(t, `import { getSandbox } from "@cloudflare/sandbox";
export default { async fetch(request: Request, env: any) {
  const out: string[] = [Object.keys(env).join()];
  try { await fetch("https://example.com/") } catch (e: any) { out.push(e.name, e.cause.code, e.message, e.cause.suggestion) }
  try { await env.Sandbox.get("b").exec("ls") } catch (e: any) { out.push(e.name, e.code) }
  return new Response(out.join("\n"));
} };`, func(s *plugins.Spec) {
		s.Grants = &plugins.Grants{Sandboxes: map[string][]string{"Sandbox": {"a"}}}
	})
	got := tell(t, p, request("/"))
	for _, want := range []string{"200 Sandbox\nTypeError\nDENIED\n", "fetch", "grants", "DeniedError\nDENIED"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it\n%s", got, want, log)
		}
	}
}

// TestKV stores values and reads them in each form.
func TestKV(t *testing.T) {
	t.Parallel()
	s := &services{}
	p, log := s.with(t, `
const cases: Record<string, (kv: any, cache: any) => any> = {
  async forms(kv, cache) {
    await kv.put("text", "héllo"); await kv.put("json", JSON.stringify({ a: [1] })); await kv.put("bytes", new Uint8Array([0, 255]));
    await kv.put("buffer", new Uint8Array([7]).buffer); await kv.put("stream", new Blob(["s1", "s2"]).stream()); await cache.put("text", "cached");
    return [await kv.get("text"), (await kv.get("json", "json")).a[0], new Uint8Array(await kv.get("bytes", { type: "arrayBuffer" })).join(), new Uint8Array(await kv.get("buffer", "arrayBuffer"))[0],
      await new Response(await kv.get("stream", "stream")).text(), await kv.get("text", { type: "text", cacheTtl: 60 }), await kv.get("none"), await cache.get("text")];
  },
  async metadata(kv) {
    await kv.put("m", "value", { metadata: { a: 1 } }); await kv.put("plain", "v"); await kv.put("odd", "\0edge", {}); await kv.put("like", "\0edge.metadata\0{", {});
    const m = await kv.getWithMetadata("m"), p = await kv.getWithMetadata("plain"), n = await kv.getWithMetadata("none");
    return [m.value, m.metadata.a, await kv.get("m"), p.value, p.metadata, n.value, n.metadata, (await kv.get("odd")).length, (await kv.get("like")).length];
  },
  async list(kv, cache) {
    for (const k of ["l1", "l2", "l3", "x"]) await cache.put(k, "v");
    const a = await cache.list({ prefix: "l", limit: 2 }), b = await cache.list({ prefix: "l", limit: 2, cursor: a.cursor });
    const whole = await kv.list({ prefix: "cache/l" });
    return [a.keys.map((k: any) => k.name).join(), a.list_complete, a.cursor, b.keys.map((k: any) => k.name).join(), b.list_complete, b.cursor === undefined, whole.keys.length];
  },
  async several(kv) { const m = await kv.get(["text", "none"]); return [m.get("text"), m.get("none"), m.size]; },
  async gone(kv) { await kv.delete("text"); await kv.delete("never"); return [await kv.get("text")]; },
  async wrong(kv) { const out: any[] = []; for (const f of [() => kv.get("text", "xml"), () => kv.put("t", "v", { expirationTtl: "soon" }), () => kv.get("")]) try { await f(); out.push("went on") } catch (e: any) { out.push(e.name) } return out; },
  async expires(kv) { await kv.put("t1", "v", { expirationTtl: 60 }); await kv.put("t2", "v", { expiration: Math.floor(Date.now() / 1000) + 3600 }); return []; },
};
export default { async fetch(request: Request, env: any) {
  return Response.json(await cases[new URL(request.url).pathname.slice(1)](env.KV, env.CACHE));
} };`, granted)
	for _, c := range []struct{ name, want string }{
		{"forms", `["héllo",1,"0,255",7,"s1s2","héllo",null,"cached"]`},
		{"metadata", `["value",1,"value","v",null,null,null,5,16]`},
		{"list", `["l1,l2",false,"l2","l3",true,true,3]`},
		{"several", `["héllo",null,2]`},
		{"gone", `[null]`},
		{"wrong", `["TypeError","TypeError","InvalidRequestError"]`},
		{"expires", `[]`},
	} {
		if got := tell(t, p, request("/"+c.name)); got != "200 "+c.want {
			t.Errorf("%s: got %s, want %s\n%s", c.name, got, c.want, log)
		}
	}
	if ttl := s.kv["t1"].opts.TTL.D(); ttl != time.Minute {
		t.Errorf("t1 lives for %s", ttl)
	}
	if ttl := s.kv["t2"].opts.TTL.D(); ttl < 50*time.Minute || ttl > time.Hour {
		t.Errorf("t2 lives for %s", ttl)
	}
	if _, ok := s.kv["cache/l1"]; !ok {
		t.Error("CACHE does not put its prefix in front")
	}
}
