package host

import (
	"context"
	"errors"
	"slices"
	"testing"

	"edge/abi"
	"edge/bridge"
)

// TestEventsTellTheDoor wants of each request by which door it went, what was
// decided, and which error it was answered with.
func TestEventsTellTheDoor(t *testing.T) {
	t.Parallel()
	routes := func(chain ...Plugin) []Route { return []Route{{Chain: chain}} }
	good := Plugin{Name: "p", Decider: always(text(200, "ok"))}
	next := Plugin{Name: "n", Decider: always(&abi.Next{})}
	bad := Plugin{Name: "b", Decider: decide(func(context.Context, *abi.Request) (abi.Decision, error) { return nil, errors.New("broken") })}
	mad := Plugin{Name: "m", Decider: decide(func(context.Context, *abi.Request) (abi.Decision, error) { panic("mad") })}
	tests := []struct {
		name         string
		routes       []Route
		host, target string
		via          Via
		plugin       string
		code         abi.Code
		verdicts     []string
		preview      bool
	}{
		{"plugin", routes(good), "a", "/", ViaPlugin, "p", "", []string{"p respond"}, false},
		{"chain", routes(next, good), "a", "/", ViaPlugin, "p", "", []string{"n next", "p respond"}, false},
		{"proxy to no port", routes(Plugin{Name: "p", Decider: always(&abi.Proxy{Sandbox: ref("none"), Port: 80000})}), "a", "/", ViaPlugin, "p", abi.CodeInvalidPort, []string{"p proxy"}, false},
		{"connect", routes(Plugin{Name: "p", Decider: always(&abi.Connect{Sandbox: ref("a"), Port: 8080})}), "a", "/", ViaPlugin, "p", abi.CodeUpgradeRequired, []string{"p connect"}, false},
		{"failure", routes(bad), "a", "/", ViaPlugin, "b", abi.CodeInternal, []string{"b failed"}, false},
		{"panic", routes(mad), "a", "/", ViaPlugin, "m", abi.CodePluginFailed, []string{"m failed"}, false},
		{"no route", nil, "a", "/", ViaEdge, "", abi.CodeNotFound, nil, false},
		{"health", routes(good), "a", "/healthz", ViaEdge, "", "", nil, false},
		{"preview", nil, "9000-my-app.localhost", "/", ViaPreview, "", "", nil, true},
		{"no such preview", nil, "9001-my-app.localhost", "/", ViaPreview, "", abi.CodeInvalidToken, nil, false},
		{"refused", routes(good), "a b", "/", ViaRefused, "", abi.CodeInvalidRequest, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := newEvents()
			r := start(t, &Server{boxes: previews(t), Observe: ev.add}, tt.routes)
			r.get(t, tt.host, tt.target, "")
			e := ev.next(t)
			if e.Kind != EventAnswered || e.Via != tt.via || e.Plugin != tt.plugin || e.Code != tt.code || e.Preview != tt.preview || e.Breach != "" {
				t.Errorf("event %+v", e)
			}
			var verdicts []string
			for _, v := range ev.list {
				if v.Kind == EventDecided {
					verdicts = append(verdicts, v.Plugin+" "+string(v.Verdict))
				}
			}
			if !slices.Equal(verdicts, tt.verdicts) {
				t.Errorf("verdicts %q, want %q", verdicts, tt.verdicts)
			}
		})
	}
}

// TestEventNamesTheBreach wants the bound of the bridge's policy, or the rule of
// the host, which comes first.
func TestEventNamesTheBreach(t *testing.T) {
	t.Parallel()
	x := &record{webSocket: true}
	sum := bridge.Summary{Status: 101, Close: "edge 1008 idle for too long", Breach: bridge.BreachIdle}
	if e := x.event(EventWebSocketClosed, sum); e.Breach != "idle" || e.Close != sum.Close || e.Via != ViaEdge {
		t.Errorf("event %+v", e)
	}
	x.breach, x.via = "origin", ViaPlugin
	if e := x.event(EventAnswered, bridge.Summary{Status: 403}); e.Breach != "origin" || e.Via != ViaPlugin {
		t.Errorf("event %+v", e)
	}
}
