// Package initd is what runs inside every sandbox as process 1: it starts and
// kills processes, keeps their logs and exit codes, reads and writes files, and
// carries bytes to ports, all on behalf of the edge.
//
// It needs nothing of the image: it is one static program, mounted read-only,
// and takes no port. It connects out to the edge's Unix socket (package
// initlink is the other end, initproto what they say), keeps a few connections
// parked there and connects again for as long as it lives. Connections come and
// go; processes, logs and exit codes stay.
//
// The sandbox's own code is not trusted, and shares the process table with the
// init. So the init cannot be traced, handles every signal, has its threads
// from the start (a program that needs a new one when the process limit is
// reached dies), lets its children be chosen first when memory runs out, and
// bounds everything it keeps.
package initd

import (
	"log/slog"
	"time"

	"edge/sandboxmgr/initproto"
)

// Release is the init's own version, which it tells in its hello.
const Release = "3"

// DefaultDir is where the edge's socket directory is mounted.
const DefaultDir = "/.edge/run"

// OrphanAfter is how long an init lives without a host.
const OrphanAfter = 24 * time.Hour

// Config says whom to serve.
type Config struct {
	// Dir holds the edge's socket "s"; DefaultDir if empty.
	Dir string
	// Token is what the edge wants to be shown.
	Token string
	// Boot names this start of the init; 16 random hexadecimal digits if
	// empty.
	Boot string
	// OrphanAfter is how long to wait for a host before ending everything;
	// the constant of that name if zero.
	OrphanAfter time.Duration
	// Log gets the little there is to say; nil discards.
	Log *slog.Logger
}

// Bounds of what one sandbox may keep in its init.
const (
	maxRunning   = 512      // processes of startProcess that run at the same time
	keepEnded    = 100      // ended ones whose logs and exit codes are kept, the newest
	ringBudget   = 64 << 20 // bytes of all log rings together ...
	ringFloor    = 16 << 10 // ... of which each stream always gets this much
	outputBudget = 64 << 20 // bytes of output of all running exec calls together
	outputFloor  = 64 << 10
	maxDrains    = 128                 // pipes that are held open for children which outlived their exec
	smallBody    = initproto.LargeBody // requests and files beyond it are handled maxLarge at a time
	maxLarge     = initproto.MaxLarge
	maxCommand   = 4 << 10 // bytes of a command that listings show
	maxPattern   = 8 << 10 // bytes
	maxLine      = 64 << 10
	stderrTail   = 4 << 10 // bytes of stderr in an error's details
	// settle is how long output may follow the end of the process that
	// printed it.
	settle = 50 * time.Millisecond
)
