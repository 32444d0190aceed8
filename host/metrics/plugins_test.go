package metrics

import (
	"testing"
	"time"
)

// TestTellPlugins wants what the list says, each time anew.
func TestTellPlugins(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	list := []PluginGeneration{
		{Plugin: "chat", Generation: 2, Digest: "beef", State: "serving", Instances: 3, Requests: 10, Failures: 2, Timeouts: 1, Fuel: 12345},
		{Plugin: "chat", Generation: 1, Digest: "cafe", State: "warm", Requests: 7},
		{Plugin: "chat", Generation: 1, Digest: "cafe", State: "rolled-back", Requests: 6},
		{Plugin: "auth", Generation: 1, Digest: "cafe", State: "refused"},
	}
	if err := m.TellPlugins(func() []PluginGeneration { return list }); err != nil {
		t.Fatal(err)
	}
	want := func(series, value string) {
		t.Helper()
		if got := counts(t, m, series); got != value {
			t.Errorf("%s is %q, want %q", series, got, value)
		}
	}
	want(`edge_plugin_generation_info{digest="beef",generation="2",plugin="chat",state="serving"}`, "1")
	want(`edge_plugin_generation_info{digest="cafe",generation="1",plugin="auth",state="refused"}`, "1")
	want(`edge_plugin_requests_total{generation="2",plugin="chat"}`, "10")
	want(`edge_plugin_requests_total{generation="1",plugin="chat"}`, "7")
	want(`edge_plugin_failures_total{generation="2",plugin="chat"}`, "2")
	want(`edge_plugin_timeouts_total{generation="2",plugin="chat"}`, "1")
	want(`edge_plugin_fuel_total{generation="2",plugin="chat"}`, "12345")
	want(`edge_plugin_instances{generation="2",plugin="chat"}`, "3")
	list = list[:1]
	list[0].Requests = 11
	want(`edge_plugin_requests_total{generation="2",plugin="chat"}`, "11")
	want(`edge_plugin_requests_total{generation="1",plugin="chat"}`, "")
	if err := m.TellPlugins(func() []PluginGeneration { return nil }); err == nil {
		t.Error("plugins are told of twice")
	}
}

func TestObserveLoad(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	m.ObserveLoad("chat", "loaded", "", 30*time.Millisecond)
	m.ObserveLoad("chat", "refused", "self-test", 0)
	m.ObserveLoad("chat", "refused", "self-test", 0)
	for series, value := range map[string]string{
		`edge_plugin_loads_total{plugin="chat",result="loaded",step=""}`:           "1",
		`edge_plugin_loads_total{plugin="chat",result="refused",step="self-test"}`: "2",
		`edge_plugin_load_seconds_bucket{plugin="chat",le="0.025"}`:                "0",
		`edge_plugin_load_seconds_bucket{plugin="chat",le="0.1"}`:                  "1",
		`edge_plugin_load_seconds_count{plugin="chat"}`:                            "1",
	} {
		if got := counts(t, m, series); got != value {
			t.Errorf("%s is %q, want %q", series, got, value)
		}
	}
}
