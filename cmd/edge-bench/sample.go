package main

import (
	"cmp"
	"fmt"
	"slices"
)

// sample is what one round of one mode against one server came to. What a mode
// does not measure is 0.
type sample struct {
	// Rate is operations per second, CPU the nanoseconds that all processes of
	// the proxy used for one.
	Rate float64 `json:"rate"`
	CPU  float64 `json:"cpu"`
	// P50, P99 and P999 are nanoseconds.
	P50  float64 `json:"p50,omitempty"`
	P99  float64 `json:"p99,omitempty"`
	P999 float64 `json:"p999,omitempty"`
	// ProxyShare and LoadShare are the parts of the time that the proxy's
	// processes and the load's thread ran; ProxyCore and LoadCore the parts that
	// their cores were busy, with whatever.
	ProxyShare float64 `json:"proxyShare"`
	LoadShare  float64 `json:"loadShare"`
	ProxyCore  float64 `json:"proxyCore"`
	LoadCore   float64 `json:"loadCore"`
	// Of idle bridges: how many, what one more costs the proxy, and the bytes that
	// it holds with all of them.
	Bridges     int     `json:"bridges,omitempty"`
	Bytes       float64 `json:"bytes,omitempty"`
	Total       float64 `json:"total,omitempty"`
	Descriptors float64 `json:"descriptors,omitempty"`
	// Goroutines is of the edge alone; nil is that it did not tell.
	Goroutines *float64 `json:"goroutines,omitempty"`
	// Runs are the rates of the single runs.
	Runs []float64 `json:"runs,omitempty"`
	// Failed is why there are no figures.
	Failed string `json:"failed,omitempty"`
}

// loadBound tells whether the load and the backend, which share a core, kept the
// figure of a proxy down: their core was full and the proxy's was not.
func (s sample) loadBound() bool {
	return s.ProxyShare > 0 && s.ProxyShare < 0.90 && s.LoadCore > 0.95
}

// timed adds what a histogram holds.
func (s sample) timed(h *histogram) sample {
	s.P50, s.P99, s.P999 = h.quantile(0.5), h.quantile(0.99), h.quantile(0.999)
	return s
}

// typical is the run with the median rate, with the rates of all.
func typical(runs []sample) sample {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b sample) int { return cmp.Compare(a.Rate, b.Rate) })
	s := sorted[len(sorted)/2]
	for _, r := range runs {
		s.Runs = append(s.Runs, r.Rate)
	}
	return s
}

// brief is a sample in a line of progress.
func (s sample) brief() string {
	switch {
	case s.Failed != "":
		return "FAILED: " + s.Failed
	case s.Bridges > 0:
		return fmt.Sprintf("%.2f KiB of %.1f MiB", s.Bytes/1024, s.Total/(1<<20))
	case s.P50 > 0:
		return fmt.Sprintf("p50 %.0f p99 %.0f us", s.P50/1e3, s.P99/1e3)
	}
	mark := ""
	if s.loadBound() {
		mark = "†"
	}
	return fmt.Sprintf("%s/s%s %.1f us", thousands(s.Rate), mark, s.CPU/1e3)
}

// median is the middle one, or the mean of the two in the middle; 0 of none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return (s[len(s)/2] + s[(len(s)-1)/2]) / 2
}
