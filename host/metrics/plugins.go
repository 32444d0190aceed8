package metrics

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PluginGeneration is what is told of one version of a plugin. Its counters never
// fall while it is told of.
type PluginGeneration struct {
	Plugin     string
	Generation uint64
	Digest     string
	State      string // what it does: serving, warm, refused, ...
	Instances  int
	// Requests that it was given, and of those the failures and the missed deadlines.
	Requests, Failures, Timeouts uint64
	Fuel                         uint64
}

// TellPlugins has every Exposition tell of the generations that list returns. It is
// called once at most; the error is of a second time.
func (m *Metrics) TellPlugins(list func() []PluginGeneration) error {
	if err := m.registry.Register(newPluginCollector(list)); err != nil {
		return fmt.Errorf("register metrics of plugins: %w", err)
	}
	return nil
}

// pluginLoads counts what became of modules.
type pluginLoads struct {
	results   *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

// loadBuckets are of loads, in seconds: from a small module that was compiled
// before to a large one in a language with a runtime of its own.
var loadBuckets = []float64{.005, .025, .1, .5, 2.5, 10, 60}

func (m *Metrics) registerPlugins(add *registration) {
	m.loads.results = add.counters("edge_plugin_loads_total",
		"What became of modules: loaded, canary, promoted, refused, rolled-back, quarantined or readmitted; step is where one failed.", "plugin", "result", "step")
	m.loads.durations = add.histograms("edge_plugin_load_seconds",
		"Time that a module which was taken needed, from reading it until it served.", loadBuckets, "plugin")
}

// ObserveLoad counts what became of a module, which is rare. step is where it
// failed, if it did, and took how long a module that was taken needed, 0 for all
// others.
func (m *Metrics) ObserveLoad(plugin, result, step string, took time.Duration) {
	m.loads.results.WithLabelValues(plugin, result, step).Inc()
	if took > 0 {
		m.loads.durations.WithLabelValues(plugin).Observe(took.Seconds())
	}
}

// pluginCollector tells of the plugins' generations when it is asked.
type pluginCollector struct {
	list func() []PluginGeneration
	info *prometheus.Desc
	// numbers are told of each generation.
	numbers []pluginNumber
}

type pluginNumber struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*PluginGeneration) float64
}

var _ prometheus.Collector = (*pluginCollector)(nil)

func newPluginCollector(list func() []PluginGeneration) *pluginCollector {
	c := &pluginCollector{list: list, info: prometheus.NewDesc("edge_plugin_generation_info",
		"1 for each generation of a plugin that is there, and for the last that failed.", []string{"plugin", "generation", "digest", "state"}, nil)}
	add := func(name, help string, kind prometheus.ValueType, of func(*PluginGeneration) float64) {
		c.numbers = append(c.numbers, pluginNumber{prometheus.NewDesc(name, help, []string{"plugin", "generation"}, nil), kind, of})
	}
	counter := func(name, help string, of func(*PluginGeneration) uint64) {
		add(name, help, prometheus.CounterValue, func(g *PluginGeneration) float64 { return float64(of(g)) })
	}
	counter("edge_plugin_requests_total", "Requests that a generation was given. Its series end with it.", func(g *PluginGeneration) uint64 { return g.Requests })
	counter("edge_plugin_failures_total", "Requests on which the guest failed: traps, negative answers, instances that did not start.", func(g *PluginGeneration) uint64 { return g.Failures })
	counter("edge_plugin_timeouts_total", "Requests on which the guest missed its deadline.", func(g *PluginGeneration) uint64 { return g.Timeouts })
	counter("edge_plugin_fuel_total", "What the guest executed, in units of the meter, about one instruction each.", func(g *PluginGeneration) uint64 { return g.Fuel })
	add("edge_plugin_instances", "Instances of a generation.", prometheus.GaugeValue, func(g *PluginGeneration) float64 { return float64(g.Instances) })
	return c
}

// Describe sends what is told.
func (c *pluginCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.info
	for _, n := range c.numbers {
		ch <- n.desc
	}
}

// Collect asks for the generations. Of one that is listed twice the first counts:
// two series of the same labels would cost the whole exposition.
func (c *pluginCollector) Collect(ch chan<- prometheus.Metric) {
	type version struct {
		plugin string
		number uint64
	}
	told := map[version]bool{}
	for _, g := range c.list() {
		if v := (version{g.Plugin, g.Generation}); told[v] {
			continue
		} else {
			told[v] = true
		}
		generation := strconv.FormatUint(g.Generation, 10)
		ch <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, g.Plugin, generation, g.Digest, g.State)
		for _, n := range c.numbers {
			ch <- prometheus.MustNewConstMetric(n.desc, n.kind, n.of(&g), g.Plugin, generation)
		}
	}
}
