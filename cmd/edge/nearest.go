package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// meant says which of the known names was probably meant, or lists them all.
func meant[V any](name string, known map[string]V) string {
	names := slices.Sorted(maps.Keys(known))
	if len(names) == 0 {
		return "there are none"
	}
	best, at := "", len(name)/2+1
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < at {
			best, at = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known: " + strings.Join(names, ", ")
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that make b from a (optimal string alignment).
func distance(a, b string) int {
	var before []int
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
