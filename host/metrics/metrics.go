// Package metrics counts what the edge does, for Prometheus: requests, plugins'
// decisions, WebSockets, breaches of policies, and what the process takes.
//
// The flow: host.Server tells Observe of everything (host.Event); whoever knows
// when a sandbox is destroyed says so to Forget; the admin API serves what
// Exposition writes. Nothing here is global: every Metrics has a registry of its
// own.
//
// Observe is in the way of every request, so the series that it adds to are
// looked up once and kept: an event costs some ten to some hundred nanoseconds
// and no memory (BenchmarkObserve). Labels come from small closed sets and from
// the configuration. Only breaches name sandboxes; their series end with the
// sandbox, and are at most 10,000 sandboxes'. What plugins count (Guests) is
// bounded for each of them.
package metrics

import (
	"bytes"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"edge/host"
)

// Metrics counts. Its methods may be called at the same time.
type Metrics struct {
	registry *prometheus.Registry

	requests  requestCounters
	durations [len(vias)]prometheus.Observer
	opening   prometheus.Observer
	bytes     [2]traffic // of requests, of WebSockets
	messages  prometheus.Counter
	failures  family[string, prometheus.Counter]
	decisions family[decision, prometheus.Observer]

	open     prometheus.Gauge
	opened   prometheus.Counter
	closed   [len(endings)]prometheus.Counter
	pauses   prometheus.Counter
	breaches breaches
	loads    pluginLoads
	guests   *Guests
}

// traffic is both directions, seen from the edge.
type traffic struct{ in, out prometheus.Counter }

// Buckets of durations, in seconds: of requests, which may wait for a sandbox to
// start, and of decisions, which should not.
var (
	requestBuckets  = []float64{.001, .005, .025, .1, .5, 2.5, 10, 60}
	decisionBuckets = []float64{.00005, .0002, .001, .005, .025, .1, 1, 10}
)

// New returns counters that are all at nothing. connections counts the live
// connections to each binding's sandboxes; it is asked at each Exposition, and
// nil means that they are not told.
func New(connections func() map[string]int) (*Metrics, error) {
	m := &Metrics{registry: prometheus.NewRegistry()}
	add := &registration{registry: m.registry}
	m.registerRequests(add)
	m.registerBridges(add)
	m.registerPlugins(add)
	add.collector(collectors.NewGoCollector())
	add.collector(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if connections != nil {
		add.collector(bindingCollector{connections})
	}
	m.guests = newGuests()
	add.collector(m.guests)
	if add.err != nil {
		return nil, fmt.Errorf("register metrics: %w", add.err)
	}
	return m, nil
}

// registerRequests registers what is counted of requests and decisions.
func (m *Metrics) registerRequests(add *registration) {
	m.requests.vec = add.counters("edge_requests_total",
		"Requests that were answered, and WebSockets that were opened (1xx), by the door that they went, method and status class.", "via", "method", "status")
	durations := add.histograms("edge_request_duration_seconds",
		"Time from a request's head to the last byte of its answer, by the door that it went; WebSockets are not among them.", requestBuckets, "via")
	for i, v := range vias {
		m.durations[i] = durations.WithLabelValues(string(v))
	}
	m.opening = add.histograms("edge_websocket_opening_seconds",
		"Time from a WebSocket's handshake to the server's answer.", requestBuckets).WithLabelValues()
	sums := add.counters("edge_bytes_total",
		"Bytes of bodies and frames, in from clients and out to them, counted when a request or a WebSocket is over.", "kind", "direction")
	for i, kind := range []string{"http", "websocket"} {
		m.bytes[i] = traffic{in: sums.WithLabelValues(kind, "in"), out: sums.WithLabelValues(kind, "out")}
	}
	failures := add.counters("edge_errors_total", "Requests that the edge answered with an error of its own, by its code.", "code")
	m.failures.make = func(code string) prometheus.Counter { return failures.WithLabelValues(code) }
	decisions := add.histograms("edge_plugin_decision_seconds",
		"Time that a plugin took to decide on a request, by plugin and verdict.", decisionBuckets, "plugin", "verdict")
	m.decisions.make = func(d decision) prometheus.Observer { return decisions.WithLabelValues(d.plugin, string(d.verdict)) }
	m.pauses = add.counters("edge_accept_pauses_total",
		"Times that no connection was accepted for a while, for want of descriptors most likely.").WithLabelValues()
}

// registerBridges registers what is counted of WebSockets.
func (m *Metrics) registerBridges(add *registration) {
	m.open = prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_bridges_open", Help: "WebSockets that are joined with a sandbox now."})
	add.collector(m.open)
	m.opened = add.counters("edge_bridges_opened_total", "WebSockets that were joined with a sandbox.").WithLabelValues()
	m.messages = add.counters("edge_bridge_messages_total",
		"Messages both ways, counted when a WebSocket is over.").WithLabelValues()
	closed := add.counters("edge_bridges_closed_total", "WebSockets that ended, by who ended them; breach is a bound of a policy.", "reason")
	for i, e := range endings {
		m.closed[i] = closed.WithLabelValues(e)
	}
	m.breaches.vec = add.counters("edge_breaches_total",
		"Bounds of policies that were passed and rules that refused a request, by plugin, sandbox and bound. The series of a sandbox end with it; sandbox is empty beyond 10,000 of them.",
		"plugin", "binding", "sandbox", "reason")
}

// Exposition returns all as text, as Prometheus reads it (its exposition format,
// version 0.0.4), with its content type.
func (m *Metrics) Exposition() (contentType string, body []byte, err error) {
	families, err := m.registry.Gather()
	if err != nil {
		return "", nil, fmt.Errorf("gather metrics: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return "", nil, fmt.Errorf("write metrics: %w", err)
		}
	}
	return string(format), b.Bytes(), nil
}

// registration registers collectors and keeps the first error.
type registration struct {
	registry *prometheus.Registry
	err      error
}

func (r *registration) collector(c prometheus.Collector) {
	if err := r.registry.Register(c); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *registration) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.collector(v)
	return v
}

func (r *registration) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	r.collector(v)
	return v
}

// bindingCollector tells of the live connections when it is asked.
type bindingCollector struct{ count func() map[string]int }

var _ prometheus.Collector = bindingCollector{}

func (bindingCollector) desc() *prometheus.Desc {
	return prometheus.NewDesc("edge_connections", "Live connections to sandboxes: WebSockets, and requests under way.", []string{"binding"}, nil)
}

// Describe sends what is told.
func (c bindingCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc() }

// Collect counts the connections.
func (c bindingCollector) Collect(ch chan<- prometheus.Metric) {
	desc := c.desc()
	for binding, n := range c.count() {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), binding)
	}
}

// decision is a series of the plugins'.
type decision struct {
	plugin  string
	verdict host.Verdict
}
