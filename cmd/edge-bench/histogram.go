package main

import "math/bits"

// histogram counts durations in nanoseconds, each in a bucket no wider than 1/64
// of its value. The zero value is empty; adding allocates nothing.
type histogram struct {
	counts [64 * 58]uint64
	total  uint64
}

// add counts one duration; what is negative counts as none.
func (h *histogram) add(ns int64) {
	h.counts[bucket(uint64(max(0, ns)))]++
	h.total++
}

// bucket numbers 64 buckets for each power of two from 64 up, and one for each
// value below.
func bucket(v uint64) int {
	if v < 64 {
		return int(v)
	}
	shift := bits.Len64(v) - 7 // leaves 64..127
	return min(64*shift+int(v>>shift), 64*58-1)
}

// bucketTop is the largest value of a bucket.
func bucketTop(i int) uint64 {
	if i < 128 {
		return uint64(i)
	}
	shift := i/64 - 1
	return uint64(i%64+64+1)<<shift - 1
}

// quantile is a duration that the share q of all does not exceed, in nanoseconds;
// 0 when there are none.
func (h *histogram) quantile(q float64) float64 {
	rank := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen > min(rank, h.total-1) {
			return float64(bucketTop(i))
		}
	}
	return 0
}
