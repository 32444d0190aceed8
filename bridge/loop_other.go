//go:build !linux

package bridge

// ownEngine is what a Relay without an Engine uses.
type ownEngine struct{ Pair }

// Close has nothing to end: a Pair's goroutines are those of its bridges.
func (*ownEngine) Close() {}
