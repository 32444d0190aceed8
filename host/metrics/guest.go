package metrics

import (
	"encoding/binary"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"edge/abi"
)

// guestPrefix begins the names of what plugins count. The edge's own begin with
// "edge_": whatever a plugin calls its metrics, they are not those.
const guestPrefix = "plugin_"

// guestBuckets are the upper bounds of plugins' histograms: of seconds most
// likely, and of counts.
var guestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100, 1000, 10000}

// Guests is what plugins count by themselves. A series lives as long as the edge:
// it goes on when a plugin is replaced by its next version. A plugin has at most
// abi.MaxMetricSeries of them. Its methods may be called at the same time.
type Guests struct {
	mu      sync.RWMutex
	log     *slog.Logger
	series  map[string]prometheus.Metric // by key
	plugins map[string]*guest
}

// guest is what is known of one plugin; Guests.mu guards it.
type guest struct {
	series int
	kinds  map[string]guestKind
	full   bool // the log was told that it has no series left
}

// guestKind is what a name is for.
type guestKind byte

const (
	counting  guestKind = 'c'
	observing guestKind = 'o'
)

var _ prometheus.Collector = (*Guests)(nil)

// Count adds value, which is not negative, to a counter of a plugin; Labels are
// key, value, key, value. Name and labels were checked (abi.CheckMetric). Errors
// are *abi.Error: INVALID_REQUEST for a name that is a histogram of the plugin,
// QUOTA_EXCEEDED for a series too many.
func (g *Guests) Count(plugin, name string, labels []string, value float64) error {
	m, err := g.find(counting, plugin, name, labels)
	if err == nil {
		m.(prometheus.Counter).Add(value)
	}
	return err
}

// Observe adds one observation to a histogram of a plugin; the rest is as for
// Count.
func (g *Guests) Observe(plugin, name string, labels []string, value float64) error {
	m, err := g.find(observing, plugin, name, labels)
	if err == nil {
		m.(prometheus.Histogram).Observe(value)
	}
	return err
}

// find returns a series, a new one if there is none.
func (g *Guests) find(kind guestKind, plugin, name string, labels []string) (prometheus.Metric, error) {
	var small [256]byte
	key := appendKey(small[:0], kind, plugin, name, labels)
	g.mu.RLock()
	m := g.series[string(key)]
	g.mu.RUnlock()
	if m != nil {
		return m, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.series[string(key)]; m != nil {
		return m, nil
	}
	return g.add(string(key), kind, plugin, name, labels)
}

// appendKey tells a series from all others. The order of labels does not matter.
func appendKey(b []byte, kind guestKind, plugin, name string, labels []string) []byte {
	b = append(b, byte(kind))
	b = appendText(appendText(b, plugin), name)
	if !slices.IsSorted(everySecond(labels)) {
		labels = sortedLabels(labels)
	}
	for _, s := range labels {
		b = appendText(b, s)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// everySecond are the keys of labels; there are at most abi.MaxMetricLabels.
func everySecond(labels []string) []string {
	var keys [abi.MaxMetricLabels]string
	n := 0
	for i := 0; i < len(labels) && n < len(keys); i += 2 {
		keys[n] = labels[i]
		n++
	}
	return keys[:n]
}

func sortedLabels(labels []string) []string {
	pairs := slices.Collect(slices.Chunk(labels, 2))
	slices.SortFunc(pairs, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return slices.Concat(pairs...)
}

// add makes a series. g.mu is held.
func (g *Guests) add(key string, kind guestKind, plugin, name string, labels []string) (prometheus.Metric, error) {
	p := g.plugins[plugin]
	if p == nil {
		p = &guest{kinds: map[string]guestKind{}}
		g.plugins[plugin] = p
	}
	full := guestPrefix + name
	if kind == counting {
		full += "_total"
	}
	switch other, known := p.kinds[name]; {
	case known && other != kind:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "metric %s: the name is a counter and a histogram", name)
	case kind == observing && strings.HasSuffix(name, "_total"): // it would be a counter's
		return nil, abi.Errorf(abi.CodeInvalidRequest, "metric %s: a histogram's name does not end in _total", name)
	case p.series >= abi.MaxMetricSeries:
		if !p.full {
			p.full = true
			g.log.Warn("a plugin has no room for more metrics: names and labels that are new are not counted",
				"plugin", plugin, "metric", name, "series", p.series)
		}
		return nil, abi.Errorf(abi.CodeQuotaExceeded, "metric %s: the plugin has %d series already", name, abi.MaxMetricSeries)
	}
	constant := prometheus.Labels{"plugin": plugin}
	for i := 0; i+1 < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	var m prometheus.Metric
	if kind == counting {
		m = prometheus.NewCounter(prometheus.CounterOpts{Name: full, Help: "Counted by plugins.", ConstLabels: constant})
	} else {
		m = prometheus.NewHistogram(prometheus.HistogramOpts{Name: full, Help: "Observed by plugins.", ConstLabels: constant, Buckets: guestBuckets})
	}
	p.kinds[name] = kind
	p.series++
	g.series[key] = m
	return m, nil
}

// Describe sends nothing: what there will be is not known before.
func (g *Guests) Describe(chan<- *prometheus.Desc) {}

// Collect sends every series.
func (g *Guests) Collect(ch chan<- prometheus.Metric) {
	g.mu.RLock()
	all := make([]prometheus.Metric, 0, len(g.series))
	for _, m := range g.series {
		all = append(all, m)
	}
	g.mu.RUnlock()
	for _, m := range all {
		ch <- m
	}
}

// Guests returns what plugins count, which Exposition tells of. log gets to know
// which of them count too much; nil discards that.
func (m *Metrics) Guests(log *slog.Logger) *Guests {
	if log != nil {
		m.guests.mu.Lock()
		defer m.guests.mu.Unlock()
		m.guests.log = log
	}
	return m.guests
}

// newGuests returns a Guests without series.
func newGuests() *Guests {
	return &Guests{log: slog.New(slog.DiscardHandler), series: map[string]prometheus.Metric{}, plugins: map[string]*guest{}}
}
