//go:build race

package e2e

// A binary with the race detector compiles modules about twenty times slower.
const (
	raceEnabled = true
	slowness    = 4
)
