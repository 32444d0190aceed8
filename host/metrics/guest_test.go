package metrics_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"edge/abi"
	"edge/host/metrics"
)

// exposed returns the lines about what plugins count.
func exposed(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	_, body, err := m.Exposition()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "plugin_") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(lines, "\n")
}

func newMetrics(t *testing.T) *metrics.Metrics {
	t.Helper()
	m, err := metrics.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGuestsAreExposed(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	g := m.Guests(nil)
	for _, err := range []error{
		g.Count("chat", "requests", nil, 2),
		g.Count("chat", "requests", nil, 0.5),
		g.Count("other", "requests", []string{"path", "/a\"b\n"}, 1),
		g.Count("chat", "hits", []string{"b", "2", "a", "1"}, 1),
		g.Count("chat", "hits", []string{"a", "1", "b", "2"}, 1),
		g.Count("chat", "hits", []string{"a", "12", "b", ""}, 1),
		g.Observe("chat", "took_seconds", nil, 0.3),
		g.Observe("chat", "took_seconds", nil, 1e9),
		g.Observe("other", "hits", nil, -1), // another plugin's histogram of that name
	} {
		if err != nil {
			t.Error(err)
		}
	}
	got := exposed(t, m)
	for _, want := range []string{
		`plugin_requests_total{plugin="chat"} 2.5`,
		`plugin_requests_total{path="/a\"b\n",plugin="other"} 1`,
		`plugin_hits_total{a="1",b="2",plugin="chat"} 2`,
		`plugin_hits_total{a="12",b="",plugin="chat"} 1`,
		`plugin_took_seconds_bucket{plugin="chat",le="0.25"} 0`,
		`plugin_took_seconds_bucket{plugin="chat",le="0.5"} 1`,
		`plugin_took_seconds_bucket{plugin="chat",le="+Inf"} 2`,
		`plugin_took_seconds_count{plugin="chat"} 2`,
		`plugin_hits_count{plugin="other"} 1`,
	} {
		if !strings.Contains("\n"+got+"\n", "\n"+want+"\n") {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
}

func TestGuestsNamesAreOfOneKind(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	g := m.Guests(nil)
	if err := errors.Join(g.Count("p", "a", nil, 1), g.Observe("p", "b", nil, 1)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a counter observed": g.Observe("p", "a", nil, 1), "a histogram counted": g.Count("p", "b", nil, 1), "a histogram like a counter": g.Observe("p", "a_total", nil, 1),
	} {
		if !errors.Is(err, abi.CodeInvalidRequest.Err()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	exposed(t, m) // names that clash would fail it
}

// TestGuestsAreBounded uses up one plugin's series: the others go on, and the log
// says so once.
func TestGuestsAreBounded(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	m := newMetrics(t)
	g := m.Guests(slog.New(slog.NewTextHandler(&log, nil)))
	for i := range abi.MaxMetricSeries {
		if err := g.Count("p", "hits", []string{"n", fmt.Sprint(i)}, 1); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := g.Observe("p", "more", nil, 1); !errors.Is(err, abi.CodeQuotaExceeded.Err()) {
			t.Errorf("one more: %v", err)
		}
	}
	if err := errors.Join(g.Count("p", "hits", []string{"n", "0"}, 1), g.Count("q", "hits", nil, 1)); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "no room for more metrics"); n != 1 {
		t.Errorf("the log says so %d times:\n%s", n, &log)
	}
	if n := len(strings.Split(exposed(t, m), "\n")); n != abi.MaxMetricSeries+1 {
		t.Errorf("%d lines", n)
	}
}

// TestGuestsHammer counts from many goroutines while the exposition is asked for.
func TestGuestsHammer(t *testing.T) {
	t.Parallel()
	m := newMetrics(t)
	g := m.Guests(nil)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if err := g.Count("p", "hits", []string{"n", fmt.Sprint(i % 10)}, 1); err != nil {
					t.Error(err)
				}
				if i%50 == w {
					exposed(t, m)
				}
			}
		})
	}
	wg.Wait()
	if got := exposed(t, m); strings.Count(got, "} 160") != 10 {
		t.Errorf("counted\n%s", got)
	}
}

func BenchmarkGuestCount(b *testing.B) {
	m, err := metrics.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	g, labels := m.Guests(nil), []string{"path", "/x", "status", "2xx"}
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Count("p", "hits", labels, 1); err != nil {
			b.Fatal(err)
		}
	}
}
