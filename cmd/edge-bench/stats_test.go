package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestHistogram(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	values := make([]float64, 20_000)
	for i := range values {
		v := int64(math.Exp(random.Float64() * 20)) // up to half a second
		values[i] = float64(v)
		h.add(v)
	}
	slices.Sort(values)
	for _, q := range []float64{0, 0.01, 0.5, 0.99, 0.999, 1} {
		want := values[min(len(values)-1, int(q*float64(len(values))))]
		if got := h.quantile(q); got < want || got > want*(1+1.0/64)+1 {
			t.Errorf("quantile %v: %v, exactly %v", q, got, want)
		}
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, v := range []uint64{0, 1, 63, 64, 127, 128, 129, 1000, 1 << 20, 1<<40 + 12345, 1 << 62} {
		i := bucket(v)
		if top := bucketTop(i); top < v || (i > 0 && bucketTop(i-1) >= v) {
			t.Errorf("%d is in bucket %d, which ends at %d after one that ends at %d", v, i, top, bucketTop(i-1))
		}
	}
	bucket(math.MaxUint64) // the last one
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		list []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tt.list); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.list, got, tt.want)
		}
	}
}

func TestTypical(t *testing.T) {
	t.Parallel()
	s := typical([]sample{{Rate: 30, CPU: 3}, {Rate: 10, CPU: 1}, {Rate: 20, CPU: 2}})
	if s.Rate != 20 || s.CPU != 2 || !slices.Equal(s.Runs, []float64{30, 10, 20}) {
		t.Errorf("%+v", s)
	}
}

func TestLoadBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		load, proxy float64
		want        bool
	}{{1, 0.5, true}, {1, 0.97, false}, {0.8, 0.5, false}, {1, 0, false}} {
		if got := (sample{LoadCore: tt.load, ProxyShare: tt.proxy}).loadBound(); got != tt.want {
			t.Errorf("load's core %v, proxy %v: %t", tt.load, tt.proxy, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567.8: "1,234,568", -4321: "-4,321"} {
		if got := thousands(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0.126: "0.13", 9.996: "10.0", 15.52: "15.5", 99.96: "100", 5724.9: "5,725"} {
		if got := digits(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
