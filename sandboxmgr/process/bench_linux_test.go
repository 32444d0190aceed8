package process

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"edge/sandboxmgr/runtimetest"
)

// phases collects how long the steps of starts took, from what the runtime
// tells its log.
type phases struct {
	slog.Handler
	mu    sync.Mutex
	names []string
	times map[string][]time.Duration
}

func newPhases() *phases {
	return &phases{Handler: slog.DiscardHandler, times: map[string][]time.Duration{}}
}

func (p *phases) Enabled(context.Context, slog.Level) bool { return true }

func (p *phases) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindDuration {
			p.add(a.Key, a.Value.Duration())
		}
		return true
	})
	return nil
}

func (p *phases) add(name string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.times[name] == nil {
		p.names = append(p.names, name)
	}
	p.times[name] = append(p.times[name], d)
}

// report gives the medians as metrics, in ms.
func (p *phases) report(b *testing.B) {
	for _, name := range p.names {
		b.ReportMetric(float64(median(p.times[name]).Microseconds())/1000, "ms/"+name)
	}
}

func median(d []time.Duration) time.Duration { return quantile(d, 0.5) }

func quantile(d []time.Duration, q float64) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// BenchmarkColdStart is from nothing to the first byte that a server inside
// echoes, with the medians of what it is made of.
func BenchmarkColdStart(b *testing.B) {
	k := newBench(b)
	p := newPhases()
	k.rt.log = slog.New(p)
	runtimetest.ColdStart(b, k.Bench)
	p.report(b)
}

// BenchmarkFirstCommand is from nothing to the answer of the first command of
// the real init, which is what a user waits for; at most 30 ms are wanted.
func BenchmarkFirstCommand(b *testing.B) {
	const allowed = 30 * time.Millisecond
	k := newRealBench(b)
	p := newPhases()
	k.rt.log = slog.New(p)
	var all []time.Duration
	for b.Loop() {
		began := time.Now()
		l := k.start(b, "one")
		started := time.Now()
		if _, err := l.link.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
		p.add("hello", time.Since(started))
		asked := time.Now()
		l.run(b, "/bin/true")
		p.add("command", time.Since(asked))
		all = append(all, time.Since(began))
		b.StopTimer()
		l.remove(b)
		b.StartTimer()
	}
	p.report(b)
	b.ReportMetric(float64(median(all).Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(quantile(all, 0.99).Microseconds())/1000, "ms/p99")
	b.ReportMetric(float64(median(all))/float64(allowed), "of-allowed")
}
