package metrics

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"edge/host"
)

// Observe counts an event. It never waits; it is meant for host.Server.Observe.
func (m *Metrics) Observe(e host.Event) {
	switch e.Kind {
	case host.EventAnswered:
		m.requests.add(&e)
		m.durations[viaIndex(e.Via)].Observe(e.Duration.Seconds())
		m.bytes[0].add(&e)
	case host.EventDecided:
		m.decisions.of(decision{e.Plugin, e.Verdict}).Observe(e.Duration.Seconds())
	case host.EventWebSocketOpened:
		m.requests.add(&e)
		m.opening.Observe(e.Duration.Seconds())
		m.opened.Inc()
		m.open.Inc()
	case host.EventWebSocketClosed:
		m.open.Dec()
		m.closed[endingIndex(&e)].Inc()
		m.bytes[1].add(&e)
		m.messages.Add(float64(e.Messages))
	case host.EventAcceptPaused:
		m.pauses.Inc()
	}
	if e.Code != "" && e.Kind == host.EventAnswered {
		m.failures.of(string(e.Code)).Inc()
	}
	if e.Breach != "" {
		m.breaches.add(&e)
	}
}

func (t *traffic) add(e *host.Event) {
	t.in.Add(float64(e.BytesIn))
	t.out.Add(float64(e.BytesOut))
}

// vias are the labels of doors; what is none of them counts as the first.
var vias = [...]host.Via{host.ViaEdge, host.ViaPlugin, host.ViaPreview, host.ViaRefused}

func viaIndex(v host.Via) int {
	for i := range vias {
		if vias[i] == v {
			return i
		}
	}
	return 0
}

// methods are the labels of methods: a client can invent others, which are the
// last.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}

func methodIndex(method string) int {
	for i := range methods {
		if methods[i] == method {
			return i
		}
	}
	return len(methods) - 1
}

// statuses are the labels of status classes; the last is a request that was cut
// before it had one.
var statuses = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "none"}

func statusIndex(status int) int {
	if i := status/100 - 1; i >= 0 && i < len(statuses)-1 {
		return i
	}
	return len(statuses) - 1
}

// requestCounters counts requests by labels from closed sets. A series is made
// by its first request.
type requestCounters struct {
	vec   *prometheus.CounterVec
	cells [len(vias)][len(methods)][len(statuses)]atomic.Pointer[prometheus.Counter]
}

func (r *requestCounters) add(e *host.Event) {
	v, m, s := viaIndex(e.Via), methodIndex(e.Method), statusIndex(e.Status)
	cell := &r.cells[v][m][s]
	c := cell.Load()
	if c == nil {
		made := r.vec.WithLabelValues(string(vias[v]), methods[m], statuses[s])
		c = &made
		cell.Store(c)
	}
	(*c).Inc()
}

// endings are the labels of how a bridge ended: by whom, or by a breach. The last
// is an end that nobody spoke of, such as a client lost in the handshake.
var endings = [...]string{"client", "backend", "edge", "breach", "other"}

func endingIndex(e *host.Event) int {
	if e.Breach != "" {
		return 3
	}
	who, _, _ := strings.Cut(e.Close, " ")
	for i := range 3 {
		if endings[i] == who {
			return i
		}
	}
	return len(endings) - 1
}

// family are series by a key of which there are few. Reading takes no lock.
type family[K comparable, V any] struct {
	make func(K) V

	made atomic.Pointer[map[K]V]
	mu   sync.Mutex // held to replace made
}

// of returns the series of key.
func (f *family[K, V]) of(key K) V {
	if made := f.made.Load(); made != nil {
		if v, ok := (*made)[key]; ok {
			return v
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[K]V{}
	if made := f.made.Load(); made != nil {
		all = maps.Clone(*made)
	}
	v, ok := all[key]
	if !ok {
		v = f.make(key)
		all[key] = v
		f.made.Store(&all)
	}
	return v
}
