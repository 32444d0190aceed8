package plugins

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edge/abi"
)

// The benchmarks whose names begin with BenchmarkPlatform measure what plugins
// cost, with the goals beside it. They count their rounds themselves and are run
// once, by make bench-plugins. What is compared takes turns within one run, so that
// a busy machine is as busy for all. A missed goal is said, and fails nothing.

const (
	platformRounds = 15
	platformTurn   = 40 * time.Millisecond
)

// platformLine prints one figure.
func platformLine(b *testing.B, name, format string, args ...any) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // the rounds are not b's
	fmt.Fprintf(os.Stdout, "%-44s %s\n", name, fmt.Sprintf(format, args...))
}

// goal says whether a figure is what it should be at most, or, if more is better,
// at least.
func goal(got, want float64, unit string, more bool) string {
	relation, met := "<=", got <= want
	if more {
		relation, met = ">=", got >= want
	}
	word := "MISSED"
	if met {
		word = "met"
	}
	return fmt.Sprintf("%.4g%s (goal %s %.4g%s: %s)", got, unit, relation, want, unit, word)
}

// contender is one way of doing what is compared.
type contender struct {
	name string
	op   func() error
	cpu  []float64 // of the process for one operation in each round, ns
}

// compare lets the contenders take turns.
func compare(b *testing.B, contenders ...*contender) {
	b.Helper()
	for round := range platformRounds + 1 {
		for i := range contenders {
			c := contenders[(round+i)%len(contenders)]
			per, err := cpuPer(platformTurn, c.op)
			if err != nil {
				b.Fatalf("%s: %v", c.name, err)
			}
			if round > 0 { // the first warms up
				c.cpu = append(c.cpu, per)
			}
		}
	}
}

// cpuPer does op again and again and returns the processor time of one.
func cpuPer(span time.Duration, op func() error) (float64, error) {
	begun, began, n := processorTime(), time.Now(), 0
	for time.Since(began) < span {
		for range 16 {
			if err := op(); err != nil {
				return 0, err
			}
			n++
		}
	}
	return float64(processorTime()-begun) / float64(n), nil
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (c *contender) median() float64 { return medianOf(c.cpu) }

// over is the median of the rounds' ratios.
func (c *contender) over(other *contender) float64 {
	ratios := make([]float64, len(c.cpu))
	for i := range ratios {
		ratios[i] = c.cpu[i] / other.cpu[i]
	}
	return medianOf(ratios)
}

func medianOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// platformGuest is one language's guest that makes three host calls.
type platformGuest struct {
	name  string
	build func(testing.TB) string
}

func platformGuests() []platformGuest {
	return []platformGuest{
		{"hand-written", func(b testing.TB) string { return writeModule(b, deciding3()) }},
		{"C", func(b testing.TB) string { return buildCGuest(b, "-O2", "testdata/bench/guest.c") }},
		{"Rust", func(b testing.TB) string { return buildRustGuest(b, "2", "testdata/bench/guest.rs") }},
		{"AssemblyScript", func(b testing.TB) string { return buildAssemblyScript(b) }},
		{"Go", func(b testing.TB) string { return buildGuest(b, "./testdata/bench/go") }},
	}
}

// loadPlatform loads a guest in a registry of its own.
func loadPlatform(b *testing.B, source string, by stopBy, change func(*Spec)) *Plugin {
	b.Helper()
	r := newBench(b, Config{})
	r.stopBy = by
	spec := Spec{Name: "p", Source: source}
	if change != nil {
		change(&spec)
	}
	p, err := r.Load(b.Context(), spec)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// asking asks a plugin about one request again and again.
func asking(name string, p *Plugin) *contender {
	req := newRequest()
	return &contender{name: name, op: func() error {
		_, err := p.Decide(context.Background(), req)
		return err
	}}
}

// BenchmarkPlatformDecision is a request with three host calls, from checkout to
// decision: metered, with the option of wazero that metering replaces, and with
// nothing that could stop the guest.
func BenchmarkPlatformDecision(b *testing.B) {
	for _, guest := range platformGuests() {
		b.Run(guest.name, func(b *testing.B) {
			source := guest.build(b)
			p := loadPlatform(b, source, byFuel, nil)
			metered := asking("metered", p)
			fuel := explainedFuel(b, p)
			option := asking("option", loadPlatform(b, source, byOption, nil))
			nobody := asking("no limit", loadPlatform(b, source, byNobody, nil))
			compare(b, metered, option, nobody)
			platformLine(b, "decision, "+guest.name, "%d units of fuel, %s of CPU; wazero's option %s; without a limit %.2f us (%.2fx)",
				fuel, goal(metered.median()/1e3, 2, " us", false), goal(option.over(metered), 3, "x of it", true), nobody.median()/1e3, metered.over(nobody))
		})
	}
}

// explainedFuel is what a request uses in an instance that served some.
func explainedFuel(b *testing.B, p *Plugin) uint64 {
	b.Helper()
	var explained abi.Explanation
	for range 10 {
		explained = abi.Explanation{}
		if _, err := p.Decide(WithExplanation(b.Context(), &explained), newRequest()); err != nil {
			b.Fatal(err)
		}
	}
	return explained.Fuel
}

// BenchmarkPlatformIsolation is what a reset costs, and an instance for each
// request.
func BenchmarkPlatformIsolation(b *testing.B) {
	for _, guest := range platformGuests() {
		b.Run(guest.name, func(b *testing.B) {
			source := guest.build(b)
			isolated := func(mode Isolation) *contender {
				return asking(string(mode), loadPlatform(b, source, byFuel, func(s *Spec) { s.Isolation = mode }))
			}
			pooled, reset, fresh := isolated(IsolationPooled), isolated(IsolationReset), isolated(IsolationFresh)
			compare(b, pooled, reset, fresh)
			platformLine(b, "isolation, "+guest.name, "pooled %.2f us; reset %s; fresh %.1f us", pooled.median()/1e3,
				goal((reset.median()-pooled.median())/1e3, 3, " us more", false), fresh.median()/1e3)
		})
	}
}

// BenchmarkPlatformRate is how many decisions all processors make in a second, if as
// many callers as processors ask again and again, and if eight do.
func BenchmarkPlatformRate(b *testing.B) {
	for _, guest := range platformGuests() {
		b.Run(guest.name, func(b *testing.B) {
			p := loadPlatform(b, guest.build(b), byFuel, nil)
			processors := runtime.GOMAXPROCS(0)
			var few, many []float64
			for range platformRounds {
				few = append(few, rateOf(b, p, processors, 4*platformTurn))
				many = append(many, rateOf(b, p, 8, 4*platformTurn))
			}
			platformLine(b, "decisions a second, "+guest.name, "%s with %d callers, %.0f with 8, on %d processors",
				goal(medianOf(few), 300_000, "/s", true), processors, medianOf(many), processors)
		})
	}
}

func rateOf(b *testing.B, p *Plugin, callers int, span time.Duration) float64 {
	b.Helper()
	var done atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			ask := asking("", p)
			for time.Since(began) < span {
				for range 16 {
					if err := ask.op(); err != nil {
						b.Error(err)
						return
					}
				}
				done.Add(16)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}
