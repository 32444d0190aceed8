package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"edge/abi"
)

func (f operateFunc) Operate(ctx context.Context, name string, body json.RawMessage) (json.RawMessage, error) {
	return f(ctx, name, body)
}

type contextKey struct{}

func TestOperations(t *testing.T) {
	t.Parallel()
	calls := 0
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(ctx context.Context, name string, body []byte) ([]byte, error) {
		calls++
		switch name {
		case "getState":
			if ctx.Value(contextKey{}) != "value" {
				t.Error("the operation does not see the values of Decide's context")
			}
			return body, nil
		case "exec":
			return nil, abi.Errorf(abi.CodeCommandNotFound, "no such command").WithSuggestion("install it")
		}
		return nil, errors.New("secret path /etc/x")
	})}})
	g := newAsm()
	small, big, failure := g.buffer(2), g.buffer(64), g.buffer(512)
	p := b.load(t, g.script(
		g.record("op", req(), "getState", `{"sandbox":{}}`, small),
		g.record("result_read", req(), 0, 0, big),
		g.record("op", req(), "exec", `{}`, small),
		g.record("last_error", req(), failure),
		g.record("op", req(), "start", `{}`, small),
	))
	r := newRequest()
	d, err := p.Decide(context.WithValue(t.Context(), contextKey{}, "value"), r)
	if err != nil {
		t.Fatal(err)
	}
	a := scriptAnswer{t, g, []byte(bodyOf(t, d))}
	a.want(0, "op", abi.OK, 14)
	a.want(1, "result_read", abi.OK, 14)
	a.want(2, "op that fails", abi.NotFound, 0)
	a.want(4, "op that fails inside", abi.Internal, 0)
	if got := string(a.bytes(big, 14)); got != `{"sandbox":{}}` {
		t.Errorf("result is %q", got)
	}
	_, n := a.result(3)
	var e abi.Error
	if err := json.Unmarshal(a.bytes(failure, n), &e); err != nil || e.Code != abi.CodeCommandNotFound || e.Operation != "exec" ||
		e.Suggestion != "install it" {
		t.Errorf("last error is %s (%v)", a.bytes(failure, n), err)
	}
	if calls != 3 {
		t.Errorf("%d operations were carried out, want 3: a result that does not fit is kept", calls)
	}
	if !strings.Contains(b.book.String(), "secret path") {
		t.Error("the log lacks the internal error")
	}
}

func TestOperationsMissing(t *testing.T) {
	t.Parallel()
	g := newAsm()
	a := newBench(t, Config{}).run(t, g, newRequest(),
		g.record("op", req(), "exec", "{}", 0, 0), g.record("ws_open", req(), "Sandbox", "a", 8080, ""))
	a.want(0, "op", abi.Unsupported, 0)
	a.want(1, "ws_open", abi.Unsupported, 0)
}

// TestOperationPanics has the host's own code panic: the instance is gone, the
// process is not.
func TestOperationPanics(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Services: Services{Operations: operateFunc(func(context.Context, string, []byte) ([]byte, error) { panic("oh") })}})
	g := newAsm()
	p := b.load(t, deciding(g, g.call("op", req(), "exec", "{}", 0, 0)))
	for range 2 {
		_, err := p.Decide(t.Context(), newRequest())
		wantCode(t, err, abi.CodePluginFailed)
	}
	if got := b.slots.taken(); got != 0 {
		t.Errorf("%d slots are lost", got)
	}
}
