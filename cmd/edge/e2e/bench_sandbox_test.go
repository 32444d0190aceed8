package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The benchmarks whose names begin with BenchmarkSandbox measure what sandboxes
// cost. They print a line for each figure with its goal beside it, count their
// rounds themselves, and are run once, by make bench-sandbox. Where a goal is a
// ratio, both sides take turns in one run, so that a busy machine is as busy for
// both. A missed goal is said, and fails nothing.

// figure prints one line: what was measured, and what came of it.
func figure(b *testing.B, name string, found ...string) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // the rounds are not b's
	fmt.Fprintf(os.Stdout, "%-52s %s\n", name, strings.Join(found, ", "))
}

// times are what the rounds of one thing took.
type times []time.Duration

// took adds what do takes.
func (t *times) took(do func()) {
	began := time.Now()
	do()
	*t = append(*t, time.Since(began))
}

func (t times) quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Clone(t)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (t times) p50() time.Duration { return t.quantile(0.5) }

// String tells the median and the 99th percentile without a goal.
func (t times) String() string {
	return fmt.Sprintf("p50 %s p99 %s of %d", short(t.p50()), short(t.quantile(0.99)), len(t))
}

// within tells both beside what they may be.
func (t times) within(p50, p99 time.Duration) string {
	s := "p50 " + atMost(t.p50(), p50)
	if p99 > 0 {
		s += ", p99 " + atMost(t.quantile(0.99), p99)
	}
	return fmt.Sprintf("%s, of %d", s, len(t))
}

// short is a time with three digits.
func short(d time.Duration) string {
	for unit := time.Second; unit > 1; unit /= 10 {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func atMost(got, goal time.Duration) string {
	return fmt.Sprintf("%s (goal <= %s: %s)", short(got), goal, verdict(got <= goal))
}

// ratioAtMost and ratioAtLeast compare two medians, or two rates.
func ratioAtMost[N ~int64 | ~float64](got, other N, goal float64) string {
	r := float64(got) / float64(other)
	return fmt.Sprintf("%.2fx (goal <= %.4gx: %s)", r, goal, verdict(r <= goal))
}

func ratioAtLeast[N ~int64 | ~float64](got, other N, goal float64) string {
	r := float64(got) / float64(other)
	return fmt.Sprintf("%.2fx (goal >= %.4gx: %s)", r, goal, verdict(r >= goal))
}

// mebibytes is a size for people.
func mebibytes(n int64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }

// benchRuntimes are the runtimes that can be measured here. Without an engine it
// says so, and in CI the benchmark fails.
func benchRuntimes(b testing.TB) []string {
	b.Helper()
	if err := findDocker(); err != nil {
		if os.Getenv("CI") == "true" {
			b.Fatal(err)
		}
		fmt.Fprintf(os.Stdout, "%-52s NOT MEASURED on docker: %v\n", b.Name(), err)
		return []string{"process"}
	}
	return []string{"process", "docker"}
}

// How often things are done that take few milliseconds, and such as take half a
// second.
const (
	quickRounds = 300
	slowRounds  = 15
)

var buildGuest sync.Once

// guestProgram builds testdata/guest, once, and returns the folder that it is in,
// for the setting tools.
func guestProgram(b testing.TB) (dir string) {
	b.Helper()
	dir = filepath.Join(root, "build", "guest")
	buildGuest.Do(func() {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "guest"), "testdata/guest/main.go")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := output(cmd); err != nil {
			b.Fatal(err)
		}
	})
	return dir
}
