package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"edge/host"
)

// maxSandboxes is how many sandboxes have breaches of their own.
const maxSandboxes = 10_000

// breaches counts by sandbox, of which there may be any number over time.
type breaches struct {
	vec *prometheus.CounterVec

	mu        sync.Mutex
	sandboxes map[sandbox]map[breach]prometheus.Counter
}

type sandbox struct{ binding, id string }

type breach struct{ plugin, reason string }

// add counts a breach, which is rare.
func (b *breaches) add(e *host.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, of := sandbox{e.Sandbox.Binding, e.Sandbox.ID}, breach{e.Plugin, e.Breach}
	series := b.sandboxes[in]
	if series == nil && in.id != "" && len(b.sandboxes) >= maxSandboxes {
		in.id = ""
		series = b.sandboxes[in]
	}
	if series == nil {
		if b.sandboxes == nil {
			b.sandboxes = map[sandbox]map[breach]prometheus.Counter{}
		}
		series = map[breach]prometheus.Counter{}
		b.sandboxes[in] = series
	}
	c := series[of]
	if c == nil {
		c = b.vec.WithLabelValues(of.plugin, in.binding, in.id, of.reason)
		series[of] = c
	}
	c.Inc()
}

// Forget ends the series of a sandbox that was destroyed.
func (m *Metrics) Forget(binding, id string) { m.breaches.forget(sandbox{binding, id}) }

func (b *breaches) forget(s sandbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for of := range b.sandboxes[s] {
		b.vec.DeleteLabelValues(of.plugin, s.binding, s.id, of.reason)
	}
	delete(b.sandboxes, s)
}
