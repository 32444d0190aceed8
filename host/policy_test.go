package host

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"edge/abi"
	"edge/bridge"
	"edge/sandboxmgr"
)

// fakeCarrier answers everything with 204 and keeps the policies that it was given.
type fakeCarrier struct{ policies chan bridge.Policy }

func (f fakeCarrier) HTTP(_ context.Context, rc *fasthttp.RequestCtx, _ *bridge.Head, _ bridge.Upstream, _ bridge.Owner, pol bridge.Policy, done func(bridge.Summary)) error {
	f.policies <- pol
	rc.SetStatusCode(204)
	done(bridge.Summary{Status: 204, Breach: bridge.BreachBytes})
	return nil
}

func (f fakeCarrier) WebSocket(ctx context.Context, rc *fasthttp.RequestCtx, head *bridge.Head, up bridge.Upstream, own bridge.Owner, pol bridge.Policy, done func(bridge.Summary)) error {
	return f.HTTP(ctx, rc, head, up, own, pol, done)
}

func (fakeCarrier) Shutdown(context.Context) error { return nil }

// TestPolicyReachesTheBridge wants every bound of a policy that the bridge enforces
// to be handed to it, and what it breached to be told.
func TestPolicyReachesTheBridge(t *testing.T) {
	t.Parallel()
	policy := abi.Policy{
		Wait: 1, IdleTimeout: 2, MaxDuration: 3, MaxMessageBytes: 4, MaxBytes: 5, MessagesPerSecond: 6, PingInterval: 7,
		AllowOrigins: []string{"a"}, Protocols: []string{"chat"},
	}
	want := bridge.Policy{IdleTimeout: 2, MaxDuration: 3, MaxMessageBytes: 4, MaxBytes: 5, MessagesPerSecond: 6, PingInterval: 7}
	for i := range reflect.TypeFor[abi.Policy]().NumField() {
		if reflect.ValueOf(policy).Field(i).IsZero() {
			t.Errorf("this test knows nothing of %s", reflect.TypeFor[abi.Policy]().Field(i).Name)
		}
	}
	f := boxes(newBox("a", map[int]string{8080: "127.0.0.1:1"}))
	f.labels = map[string]sandboxmgr.Exposure{"8080-a-tok": {Ref: ref("a"), Port: 8080, Policy: policy}}
	carrier := fakeCarrier{make(chan bridge.Policy, 1)}
	ev := newEvents()
	r := start(t, &Server{boxes: f, carrier: carrier, Observe: ev.add}, []Route{
		{Path: "/connect", Chain: []Plugin{{Name: "p", Decider: always(&abi.Connect{Sandbox: ref("a"), Port: 8080, Policy: policy})}}},
		{Path: "/proxy", Chain: []Plugin{{Name: "p", Decider: always(&abi.Proxy{Sandbox: ref("a"), Port: 8080, Policy: policy})}}},
	})
	const offer = "Sec-WebSocket-Protocol: chat\r\n"
	for _, tt := range []struct{ host, path, extra string }{
		{"a", "/connect", handshake + offer}, {"a", "/proxy", handshake + offer}, {"a", "/proxy", ""},
		{"8080-a-tok.localhost", "/", ""}, {"8080-a-tok.localhost", "/", handshake + offer},
	} {
		if got := r.get(t, tt.host, tt.path, tt.extra); got.StatusCode != 204 {
			t.Fatalf("%s%s: %d %s", tt.host, tt.path, got.StatusCode, got.body)
		}
		if got := <-carrier.policies; got != want {
			t.Errorf("%s%s: the bridge got %+v, want %+v", tt.host, tt.path, got, want)
		}
		if e := ev.next(t); e.Breach != "bytes" {
			t.Errorf("%s%s: event %+v", tt.host, tt.path, e)
		}
	}
}

// TestStricterLists intersects what two policies allow.
func TestStricterLists(t *testing.T) {
	t.Parallel()
	list := func(s ...string) []string { return append([]string{}, s...) }
	for _, tt := range []struct {
		name             string
		a, b             abi.Policy
		origins, protocs []string
	}{
		{"neither", abi.Policy{}, abi.Policy{}, nil, nil},
		{"one", abi.Policy{AllowOrigins: list("a")}, abi.Policy{Protocols: list("x")}, list("a"), list("x")},
		{"both", abi.Policy{AllowOrigins: list("*.a", "b"), Protocols: list("x", "y")}, abi.Policy{AllowOrigins: list("https://c.a", "b"), Protocols: list("z", "y")},
			list("https://c.a", "b"), list("y")},
		{"nothing in common", abi.Policy{AllowOrigins: list("a"), Protocols: list("x")}, abi.Policy{AllowOrigins: list("b"), Protocols: list("y")}, list(), list()},
	} {
		want := abi.Policy{AllowOrigins: tt.origins, Protocols: tt.protocs}
		if got := stricter(tt.a, tt.b); !got.Equal(want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
	a := abi.Policy{MessagesPerSecond: 5, PingInterval: abi.Duration(time.Minute)}
	b := abi.Policy{MessagesPerSecond: 7, PingInterval: abi.Duration(time.Second)}
	if got, want := stricter(a, b), (abi.Policy{MessagesPerSecond: 5, PingInterval: abi.Duration(time.Second)}); !got.Equal(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	none := stricter(abi.Policy{AllowOrigins: list("a")}, abi.Policy{AllowOrigins: list("b")})
	if none.AllowsOrigin("http://a") || none.AllowsOrigin("http://b") {
		t.Error("nothing in common allows something")
	}
}
