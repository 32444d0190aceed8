package metrics

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/host"
)

// counts is what an exposition says of a series, "" of one that there is not.
func counts(t *testing.T, m *Metrics, series string) string {
	t.Helper()
	contentType, body, err := m.Exposition()
	if err != nil || !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Fatalf("%q, %v", contentType, err)
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (.*)$`).FindSubmatch(body)
	if found == nil {
		return ""
	}
	return string(found[1])
}

func newMetrics(t testing.TB) *Metrics {
	t.Helper()
	m, err := New(func() map[string]int { return map[string]int{"Sandbox": 3, "Py": 0} })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestObserve wants each event in the series that it belongs to.
func TestObserve(t *testing.T) {
	t.Parallel()
	box := abi.SandboxRef{Binding: "Sandbox", ID: "one"}
	tests := []struct {
		name   string
		events []host.Event
		want   map[string]string
	}{
		{"requests", []host.Event{
			{Kind: host.EventAnswered, Via: host.ViaPlugin, Method: "GET", Status: 200, BytesIn: 3, BytesOut: 5, Duration: 2 * time.Millisecond},
			{Kind: host.EventAnswered, Via: host.ViaPlugin, Method: "GET", Status: 204, BytesOut: 5, Duration: time.Hour},
			{Kind: host.EventAnswered, Via: host.ViaPreview, Method: "BREW", Status: 502, Code: abi.CodeUpgradeFailed},
			{Kind: host.EventAnswered, Via: host.ViaRefused, Status: 400, Code: abi.CodeInvalidRequest},
			{Kind: host.EventAnswered, Method: "GET"},
			{Kind: host.EventAnswered, Method: "GET", Status: 999, Via: "window"},
		}, map[string]string{
			`edge_requests_total{method="GET",status="2xx",via="plugin"}`:    "2",
			`edge_requests_total{method="other",status="5xx",via="preview"}`: "1",
			`edge_requests_total{method="other",status="4xx",via="refused"}`: "1",
			`edge_requests_total{method="GET",status="none",via="edge"}`:     "2",
			`edge_request_duration_seconds_bucket{via="plugin",le="0.001"}`:  "0",
			`edge_request_duration_seconds_bucket{via="plugin",le="0.005"}`:  "1",
			`edge_request_duration_seconds_count{via="plugin"}`:              "2",
			`edge_bytes_total{direction="in",kind="http"}`:                   "3",
			`edge_bytes_total{direction="out",kind="http"}`:                  "10",
			`edge_errors_total{code="UPGRADE_FAILED"}`:                       "1",
			`edge_errors_total{code="INVALID_REQUEST"}`:                      "1",
			`edge_bridges_open`: "0",
		}},
		{"WebSockets", []host.Event{
			{Kind: host.EventWebSocketOpened, Via: host.ViaPlugin, Method: "GET", Status: 101, Duration: time.Millisecond},
			{Kind: host.EventWebSocketOpened, Via: host.ViaPlugin, Method: "GET", Status: 101},
			{Kind: host.EventWebSocketOpened, Via: host.ViaPreview, Method: "GET", Status: 101},
			{Kind: host.EventWebSocketOpened, Via: host.ViaPreview, Method: "GET", Status: 101},
			{Kind: host.EventWebSocketOpened, Via: host.ViaPreview, Method: "GET", Status: 101},
			{Kind: host.EventWebSocketOpened, Via: host.ViaPreview, Method: "GET", Status: 101},
			{Kind: host.EventWebSocketClosed, Status: 101, BytesIn: 7, BytesOut: 9, Messages: 4, Close: "client 1000"},
			{Kind: host.EventWebSocketClosed, Status: 101, Close: "backend eof"},
			{Kind: host.EventWebSocketClosed, Status: 101, Close: "edge 1001 going away"},
			{Kind: host.EventWebSocketClosed, Status: 101, Close: "edge 1008 idle for too long", Breach: "idle", Sandbox: box, Plugin: "chat"},
			{Kind: host.EventWebSocketClosed, Status: 101},
		}, map[string]string{
			`edge_requests_total{method="GET",status="1xx",via="plugin"}`: "2",
			`edge_bridges_open`:                                                                "1",
			`edge_bridges_opened_total`:                                                        "6",
			`edge_bridges_closed_total{reason="client"}`:                                       "1",
			`edge_bridges_closed_total{reason="backend"}`:                                      "1",
			`edge_bridges_closed_total{reason="edge"}`:                                         "1",
			`edge_bridges_closed_total{reason="breach"}`:                                       "1",
			`edge_bridges_closed_total{reason="other"}`:                                        "1",
			`edge_bridge_messages_total`:                                                       "4",
			`edge_bytes_total{direction="in",kind="websocket"}`:                                "7",
			`edge_websocket_opening_seconds_count`:                                             "6",
			`edge_request_duration_seconds_count{via="plugin"}`:                                "0",
			`edge_breaches_total{binding="Sandbox",plugin="chat",reason="idle",sandbox="one"}`: "1",
		}},
		{"decisions", []host.Event{
			{Kind: host.EventDecided, Plugin: "chat", Verdict: host.VerdictConnect, Duration: 100 * time.Microsecond},
			{Kind: host.EventDecided, Plugin: "chat", Verdict: host.VerdictConnect, Duration: time.Minute},
			{Kind: host.EventDecided, Plugin: "other", Verdict: host.VerdictFailed},
		}, map[string]string{
			`edge_plugin_decision_seconds_count{plugin="chat",verdict="connect"}`:              "2",
			`edge_plugin_decision_seconds_bucket{plugin="chat",verdict="connect",le="0.0002"}`: "1",
			`edge_plugin_decision_seconds_count{plugin="other",verdict="failed"}`:              "1",
		}},
		{"a refusal", []host.Event{
			{Kind: host.EventAnswered, Via: host.ViaPlugin, Method: "GET", Status: 403, Code: abi.CodeDenied, Breach: "origin", Plugin: "chat", Sandbox: box},
			{Kind: host.EventAnswered, Via: host.ViaEdge, Method: "GET", Status: 503, Breach: "limit-connections"},
		}, map[string]string{
			`edge_breaches_total{binding="Sandbox",plugin="chat",reason="origin",sandbox="one"}`: "1",
			`edge_breaches_total{binding="",plugin="",reason="limit-connections",sandbox=""}`:    "1",
			`edge_errors_total{code="DENIED"}`:                                                   "1",
		}},
		{"the rest", []host.Event{{Kind: host.EventAcceptPaused, Duration: time.Second}}, map[string]string{
			`edge_accept_pauses_total`:            "1",
			`edge_connections{binding="Sandbox"}`: "3",
			`edge_connections{binding="Py"}`:      "0",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMetrics(t)
			for _, e := range tt.events {
				m.Observe(e)
			}
			for series, want := range tt.want {
				if got := counts(t, m, series); got != want {
					t.Errorf("%s is %q, want %s", series, got, want)
				}
			}
		})
	}
}

// TestProcess wants what the process takes to be told.
func TestProcess(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	for _, series := range []string{"go_goroutines", "process_open_fds", "process_max_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"} {
		if got := counts(t, m, series); got == "" || got == "0" {
			t.Errorf("%s is %q", series, got)
		}
	}
}

// TestForget wants no series of a sandbox that is gone, and those of others.
func TestForget(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	breach := func(id, reason string) {
		m.Observe(host.Event{Kind: host.EventAnswered, Sandbox: abi.SandboxRef{Binding: "B", ID: id}, Breach: reason})
	}
	breach("one", "idle")
	breach("one", "rate")
	breach("two", "idle")
	m.Forget("B", "one")
	m.Forget("B", "never")
	series := `edge_breaches_total{binding="B",plugin="",reason="idle",sandbox="`
	if got := counts(t, m, series+`one"}`); got != "" {
		t.Errorf("one has %s", got)
	}
	if got := counts(t, m, series+`two"}`); got != "1" {
		t.Errorf("two has %q", got)
	}
	breach("one", "idle")
	if got := counts(t, m, series+`one"}`); got != "1" {
		t.Errorf("one, made again, has %q", got)
	}
}

// TestManySandboxes wants a bound of the series, and nothing uncounted.
func TestManySandboxes(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	for i := range maxSandboxes + 50 {
		m.Observe(host.Event{Kind: host.EventAnswered, Sandbox: abi.SandboxRef{Binding: "B", ID: fmt.Sprint("s", i)}, Breach: "idle"})
	}
	if n := len(m.breaches.sandboxes); n != maxSandboxes+1 {
		t.Errorf("%d sandboxes", n)
	}
	if got := counts(t, m, `edge_breaches_total{binding="B",plugin="",reason="idle",sandbox=""}`); got != "50" {
		t.Errorf("the rest has %q", got)
	}
}

// TestHammer counts from many sides, and wants every event counted once.
func TestHammer(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	const workers, rounds = 8, 200
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			box := abi.SandboxRef{Binding: "B", ID: fmt.Sprint("s", i%3)}
			for n := range rounds {
				m.Observe(host.Event{Kind: host.EventAnswered, Via: host.ViaPlugin, Method: "GET", Status: 200, Code: abi.Code(fmt.Sprint("C", n%7))})
				m.Observe(host.Event{Kind: host.EventDecided, Plugin: fmt.Sprint("p", n%5), Verdict: host.VerdictNext})
				m.Observe(host.Event{Kind: host.EventWebSocketOpened, Status: 101, Method: "GET"})
				m.Observe(host.Event{Kind: host.EventWebSocketClosed, Status: 101, Breach: "idle", Sandbox: box})
				if n%50 == 0 {
					m.Forget("B", box.ID)
					if _, _, err := m.Exposition(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for series, want := range map[string]int{
		`edge_requests_total{method="GET",status="2xx",via="plugin"}`:    workers * rounds,
		`edge_plugin_decision_seconds_count{plugin="p0",verdict="next"}`: workers * rounds / 5,
		`edge_bridges_open`:                          0,
		`edge_bridges_closed_total{reason="breach"}`: workers * rounds,
	} {
		if got := counts(t, m, series); got != fmt.Sprint(want) {
			t.Errorf("%s is %s, want %d", series, got, want)
		}
	}
}

// BenchmarkObserve is what counting adds to a request: one event of its end and
// one of its decision, and to a WebSocket: three events.
func BenchmarkObserve(b *testing.B) {
	box := abi.SandboxRef{Binding: "Sandbox", ID: "one"}
	answered := host.Event{Kind: host.EventAnswered, Via: host.ViaPlugin, Method: "GET", Status: 200, BytesOut: 100, Duration: time.Millisecond, Plugin: "chat", Sandbox: box}
	decided := host.Event{Kind: host.EventDecided, Via: host.ViaPlugin, Plugin: "chat", Verdict: host.VerdictConnect, Duration: time.Microsecond}
	failed := answered
	failed.Status, failed.Code = 502, abi.CodeUpgradeFailed
	opened := host.Event{Kind: host.EventWebSocketOpened, Via: host.ViaPlugin, Method: "GET", Status: 101, Plugin: "chat", Sandbox: box}
	closed := host.Event{Kind: host.EventWebSocketClosed, Status: 101, BytesIn: 1, BytesOut: 1, Messages: 2, Close: "client 1000", Plugin: "chat", Sandbox: box}
	breach := closed
	breach.Breach = "idle"
	for _, bench := range []struct {
		name   string
		events []host.Event
	}{
		{"request", []host.Event{decided, answered}},
		{"failure", []host.Event{decided, failed}},
		{"websocket", []host.Event{decided, opened, closed}},
		{"breach", []host.Event{breach}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := newMetrics(b)
			b.ReportAllocs()
			for b.Loop() {
				for i := range bench.events {
					m.Observe(bench.events[i])
				}
			}
		})
	}
}

// BenchmarkExposition is a scrape.
func BenchmarkExposition(b *testing.B) {
	m := newMetrics(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.Exposition(); err != nil {
			b.Fatal(err)
		}
	}
}
