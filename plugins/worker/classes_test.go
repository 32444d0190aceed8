package worker

import (
	"encoding/json"
	"slices"
	"testing"

	"edge/abi"
	"edge/plugins"
)

// TestClasses has classes extend Sandbox: their fields are defaults of getSandbox for the
// bindings of their names, or for all if there is one class alone.
func TestClasses(t *testing.T) {
	t.Parallel()
	const two = "export class MySandbox extends Sandbox { sleepAfter = 90; envVars = { A: 'class', B: 'class' } }\nexport { Sandbox };\n"
	for name, tt := range map[string]struct{ classes, get, want string }{
		"fields":            {two, "getSandbox(env.MY_SANDBOX, 'one')", `{"binding":"Sandbox","env":{"A":"class","B":"class"},"id":"one","sleepAfter":90000}`},
		"from the binding":  {two, "env.MY_SANDBOX.get(env.MY_SANDBOX.idFromName('one'))", `{"binding":"Sandbox","env":{"A":"class","B":"class"},"id":"one","sleepAfter":90000}`},
		"options come over": {two, "getSandbox(env.MY_SANDBOX, 'one', { sleepAfter: '5s', env: { B: 'given' }, labels: { a: 'b' } })", `{"binding":"Sandbox","env":{"A":"class","B":"given"},"id":"one","labels":{"a":"b"},"sleepAfter":"5s"}`},
		"nothing given":     {two, "getSandbox(env.MY_SANDBOX, 'one', { sleepAfter: undefined, keepAlive: undefined })", `{"binding":"Sandbox","env":{"A":"class","B":"class"},"id":"one","sleepAfter":90000}`},
		"another binding":   {two, "getSandbox(env.Sandbox, 'one')", `{"binding":"Sandbox","id":"one"}`},
		"one class for all": {"export class Any extends Sandbox { constructor(ctx: any, env: any) { super(ctx, env); this.keepAlive = true } }\n", "getSandbox(env.Sandbox, 'one')", `{"binding":"Sandbox","id":"one","keepAlive":true}`},
		"later of the two":  {"export class Any extends Sandbox { keepAlive = true }\n", "getSandbox(env.Sandbox, 'one', { sleepAfter: 5 })", `{"binding":"Sandbox","id":"one","sleepAfter":5000}`},
		"nothing said":      {"export class Any extends Sandbox {}\n", "getSandbox(env.Sandbox, 'one')", `{"binding":"Sandbox","id":"one"}`},
		"not exported":      {"class Any extends Sandbox { keepAlive = true }\nconsole.log(Any.name);\n", "getSandbox(env.Sandbox, 'one')", `{"binding":"Sandbox","id":"one"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			s := &services{operate: func(_ string, body json.RawMessage) (any, error) {
				var q struct{ Sandbox any }
				if err := json.Unmarshal(body, &q); err != nil {
					return nil, err
				}
				b, err := json.Marshal(q.Sandbox)
				got = string(b)
				return abi.Empty{}, err
			}}
			p, log := s.with(t, "import { Sandbox, getSandbox } from '@cloudflare/sandbox';\n"+tt.classes+
				"export default { async fetch(r: Request, env: any) { await "+tt.get+".touch(); return new Response('ok') } };\n", func(s *plugins.Spec) {
				s.Bindings = plugins.Bindings{Sandboxes: map[string]string{"Sandbox": "Sandbox", "MY_SANDBOX": "Sandbox"}}
			})
			if answer := ask(t, p, request("/")); answer != "ok" || got != tt.want {
				t.Errorf("%s; the sandbox is %s, want %s\n%s", answer, got, tt.want, log)
			}
		})
	}
}

// TestClassesWarn tells what of a class does not count, once.
func TestClassesWarn(t *testing.T) {
	t.Parallel()
	source := write(t, "worker.ts", `import { Sandbox } from "@cloudflare/sandbox";
export class Hooked extends Sandbox {
  enableInternet = false;
  onStart() {}
  onError(e: unknown) { return e }
}
export class Needs extends Sandbox {
  constructor(ctx: any, env: any) { super(ctx, env); this.envVars = { KEY: env.KEY } }
}
export default { fetch() { return new Response("x") } };
`)
	built, err := builder(t).Build(t.Context(), source)
	want := []string{
		"worker.ts: class Hooked extends Sandbox: onStart, onError will never be called: no code of a Worker runs beside a sandbox. What a sandbox starts with is start: of the binding, in edge.yaml",
		"worker.ts: class Hooked extends Sandbox: enableInternet is not read; instead there is network: of the binding, in edge.yaml",
		"worker.ts: class Needs extends Sandbox: its fields are not read, because making one fails: Error: env.KEY is not there when the Worker is built: give what depends on it to getSandbox",
	}
	if err != nil || !slices.Equal(built.Warnings, want) {
		t.Errorf("got %q, %v, want %q", built.Warnings, err, want)
	}
}
