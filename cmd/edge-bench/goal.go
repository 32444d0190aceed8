package main

import (
	"fmt"
	"slices"
)

// goal is one figure that is to be reached.
type goal struct {
	row  string // what people call it
	mode string
	by   metric
	// of is the server that the edge is compared with; empty is none: the figure
	// itself is bounded.
	of    string
	least bool // the bound is a lower one
	bound float64
}

// metric is one figure of a sample.
type metric struct {
	name string
	unit string
	pick func(sample) float64
}

func byRate() metric {
	return metric{"throughput", "", func(s sample) float64 { return s.Rate }}
}
func byCPU() metric { return metric{"CPU", "", func(s sample) float64 { return s.CPU }} }
func byP50() metric { return metric{"p50", "", func(s sample) float64 { return s.P50 }} }
func byP99() metric { return metric{"p99", "", func(s sample) float64 { return s.P99 }} }
func byBytes() metric {
	return metric{"private memory", " KiB", func(s sample) float64 { return s.Bytes / 1024 }}
}
func byDescriptors() metric {
	return metric{"descriptors", "", func(s sample) float64 { return s.Descriptors }}
}

// worst is not of a sample: it is the worst run over the median of all.
const (
	metricWorst      = "worst of ten"
	metricGoroutines = "goroutines"
)

// bound is how much of a server's figure the edge's may be.
type bound struct {
	of string
	at float64
}

// goals are the figures that the edge is to reach.
func goals() []goal {
	var list []goal
	atLeast := func(row, mode string, bounds ...bound) {
		for _, b := range bounds {
			list = append(list, goal{row, mode, byRate(), b.of, true, b.at})
		}
	}
	atMost := func(row, mode string, by metric, bounds ...bound) {
		for _, b := range bounds {
			list = append(list, goal{row, mode, by, b.of, false, b.at})
		}
	}
	for _, size := range [][2]string{{"64 B", "echo-64"}, {"1 KiB", "echo-1k"}} {
		row := size[0] + ", 1 in flight"
		atLeast(row, size[1], bound{nameDirect, 0.9})
		atMost(row, size[1], byCPU(), bound{nameNginx, 1.05}, bound{nameHAProxy, 0.85}, bound{nameWorkerd, 0.8})
	}
	atLeast("1 KiB, 16 in flight", "echo-1k-16", bound{nameNginx, 1}, bound{nameHAProxy, 1.6}, bound{nameWorkerd, 5})
	for _, depth := range [][2]string{{"1 in flight", ""}, {"16 in flight", "-16"}} {
		atLeast("16 KiB, "+depth[0], "echo-16k"+depth[1], bound{nameDirect, 0.85}, bound{nameNginx, 1.3}, bound{nameHAProxy, 2.2}, bound{nameWorkerd, 8})
	}
	for _, depth := range [][2]string{{"1 in flight", ""}, {"16 in flight", "-16"}} {
		atLeast("1 MiB, "+depth[0], "echo-1m"+depth[1], bound{nameDirect, 0.8}, bound{nameNginx, 1.4}, bound{nameHAProxy, 2}, bound{nameWorkerd, 7})
		list = append(list, goal{row: "1 MiB, " + depth[0], mode: "echo-1m" + depth[1], by: metric{name: metricWorst}, least: true, bound: 0.6})
	}
	atMost("latency at a fixed rate", modeLatency, byP50(), bound{nameHAProxy, 1})
	atMost("latency at a fixed rate", modeLatency, byP99(), bound{nameNginx, 2})
	atLeast("handshake with a Wasm decision", modeHandshake, bound{nameHAProxy, 0.95}, bound{nameWorkerd, 2.5})
	for _, idle := range []struct {
		row, mode string
		kibibytes float64
	}{{"idle", modeIdle, 2}, {"idle, policy timers", modeIdlePolicy, 4}} {
		atMost(idle.row, idle.mode, byBytes(), bound{"", idle.kibibytes})
		atMost(idle.row, idle.mode, byDescriptors(), bound{"", 2})
		list = append(list, goal{row: idle.row, mode: idle.mode, by: metric{name: metricGoroutines}, bound: 0})
	}
	atLeast("HTTP small", modeHTTPSmall, bound{nameHAProxy, 0.95}, bound{nameWorkerd, 7})
	atLeast("HTTP 1 MiB", modeHTTPLarge, bound{nameNginx, 0.9})
	atMost("SSE delay", modeEvents, byP50(), bound{nameNginx, 1.1})
	return list
}

// outcome is what a goal came to.
type outcome struct {
	goal
	median, low, high float64
	// loadBound is that a rate was kept down by the load in a round.
	loadBound bool
	missing   string // why there is no figure
}

func (o outcome) met() bool {
	if o.least {
		return o.median >= o.bound
	}
	return o.median <= o.bound
}

// verdict is "met", "MISSED" or why it is neither.
func (o outcome) verdict() string {
	switch {
	case o.missing != "":
		return "not measured (" + o.missing + ")"
	case o.met():
		return "met"
	}
	return "MISSED"
}

// judge compares the results with a goal.
func (r *results) judge(g goal) outcome {
	o := outcome{goal: g}
	m := r.mode(g.mode)
	if m == nil {
		o.missing = "mode not run"
		return o
	}
	values := r.values(m, g, &o.loadBound)
	if len(values) == 0 {
		switch {
		case len(m.good(nameEdge)) == 0:
			o.missing = r.why(m, nameEdge)
		case g.of != "":
			o.missing = r.why(m, g.of)
		default:
			o.missing = "the edge does not tell"
		}
		return o
	}
	o.median, o.low, o.high = median(values), slices.Min(values), slices.Max(values)
	return o
}

// values are the figures that a goal is judged by, one a round.
func (r *results) values(m *modeResult, g goal, loadBound *bool) []float64 {
	switch {
	case g.of != "":
		values, b := m.ratios(nameEdge, g.of, g.by.pick)
		*loadBound = b && g.by.name == byRate().name // CPU for one operation is what it is
		return values
	case g.by.name == metricGoroutines:
		var values []float64
		for _, s := range m.good(nameEdge) {
			if s.Goroutines != nil {
				values = append(values, roundTo(*s.Goroutines, 0.01))
			}
		}
		return values
	case g.by.name == metricWorst:
		var runs []float64
		for _, s := range m.good(nameEdge) {
			runs = append(runs, s.Runs...)
		}
		if len(runs) == 0 {
			return nil
		}
		return []float64{slices.Min(runs) / median(runs)}
	case g.by.name == byDescriptors().name:
		var values []float64
		for _, v := range m.of(nameEdge, g.by.pick) {
			values = append(values, roundTo(v, 0.01))
		}
		return values
	}
	return m.of(nameEdge, g.by.pick)
}

// roundTo takes off what a handful of descriptors or goroutines make of
// thousands of bridges.
func roundTo(v, unit float64) float64 {
	n := int64(v/unit + 0.5)
	if v < 0 {
		n = int64(v/unit - 0.5)
	}
	return float64(n) * unit
}

// wanted is the goal in words.
func (g goal) wanted() string {
	sign := "at most"
	if g.least {
		sign = "at least"
	}
	if g.of != "" || g.by.name == metricWorst {
		return fmt.Sprintf("%s %gx", sign, g.bound)
	}
	return fmt.Sprintf("%s %g%s", sign, g.bound, g.by.unit)
}
