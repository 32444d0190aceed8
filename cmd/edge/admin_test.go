package main

import (
	"slices"
	"testing"
)

// TestAdminHosts wants the admin API to answer to the name that it was told to
// listen on, and to no other.
func TestAdminHosts(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string][]string{
		"":                    nil,
		"127.0.0.1:8788":      nil,
		"[::1]:8788":          nil,
		"edge.internal:8788":  {"edge.internal"},
		"localhost:8788":      {"localhost"},
		"not even an address": nil,
	} {
		if got := adminHosts(listen); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
}
