package worker

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"edge/plugins"
)

// TestAttackKeptHandle has a sandbox's handle outlive the request that made it: what
// another request has under way with it goes on.
func TestAttackKeptHandle(t *testing.T) {
	t.Parallel()
	begun, release := make(chan string, 2), make(chan struct{})
	p, log := serve(t, build(t, `import { getSandbox } from "@cloudflare/sandbox";
		let kept: any;
		export default { async fetch(request: Request, env: any) {
			kept ??= getSandbox(env.Sandbox, "a");
			const r = await kept.exec(new URL(request.url).pathname);
			return new Response(r.stdout);
		} };`), operate(func(ctx context.Context, _ string, body json.RawMessage) (json.RawMessage, error) {
		var q struct{ Command string }
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		begun <- q.Command
		select {
		case <-release:
			return json.Marshal(map[string]any{"stdout": "did " + q.Command})
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}), func(s *plugins.Spec) { s.MaxInstances = 1 })
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := p.Decide(ctx, request("/first"))
		left <- err
	}()
	if got := <-begun; got != "/first" {
		t.Fatal(got)
	}
	second := make(chan string, 1)
	go func() { second <- ask(t, p, request("/second")) }()
	if got := <-begun; got != "/second" {
		t.Fatal(got)
	}
	leave()
	if err := <-left; err == nil {
		t.Error("a client that left was answered")
	}
	close(release)
	select {
	case got := <-second:
		if got != "did /second" {
			t.Errorf("the second request got %q; log:\n%s", got, log)
		}
	case <-time.After(patience):
		t.Error("the second request is not answered")
	}
}
