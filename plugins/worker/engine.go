package worker

import (
	"context"

	"edge/plugins/worker/link"
)

// openRequests is how many requests one instance of a Worker holds: one that waits for
// a sandbox costs a few hundred bytes.
const openRequests = 1024

// Engine runs JavaScript, and keeps what it leaves in a module that speaks edge1.
type Engine interface {
	// Name tells what it is, with its versions.
	Name() string
	// Make evaluates the runtime, which is the same each time, and the Worker's scripts
	// on top of it, each when the jobs of the one before are done. What a script throws
	// is a *link.ScriptError. Made.Said is there beside an error too.
	Make(ctx context.Context, runtime link.Script, worker []link.Script, about Section) (Made, error)
	// Close releases what the engine keeps between calls.
	Close() error
}

// Made is a module that goes on from what its scripts left.
type Made struct {
	Module []byte
	// Said are the lines that the Worker wrote to the console meanwhile, as many as
	// Built.Said keeps.
	Said []string
	// Warnings are what the runtime tells the author, a line each.
	Warnings []string
}

// Section is what a Worker's module says of itself in its custom section "edge1"
// (SPEC.md).
type Section struct {
	// Optional has imports that need a grant which the plugin lacks answer DENIED.
	Optional bool `json:"optional"`
	// Open is how many requests one instance holds.
	Open int `json:"open"`
	// PerCore is how many instances there are by default for each processor.
	PerCore int `json:"perCore"`
	// Made is the engine's name, and Source the name of the source file.
	Made   string `json:"made"`
	Source string `json:"source"`
}
