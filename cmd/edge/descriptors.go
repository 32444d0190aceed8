package main

import (
	"fmt"
	"math"
	"syscall"
)

// What descriptors are set aside for before connections get any.
const (
	perConnection = 2 // the client's and the sandbox's

	// ownDescriptors are the edge's: listeners, store, event queues, plugins,
	// watched files (some 40 in all), and a share for clients that are not
	// carried yet or are refused.
	ownDescriptors = 64
	ownShare       = 64 // one in so many, at most maxOwnShare
	maxOwnShare    = 1024

	// sandboxDescriptors are those of a sandbox that runs: its init's link, its
	// namespaces, its process, and kept-alive connections to its port.
	sandboxDescriptors = 40
	// assumedSandboxes is how many a binding has that does not say.
	assumedSandboxes = 16
)

// descriptorBudget is how the descriptors that this process may have are shared
// out. Go raises the soft limit to the hard one when a program starts, and gives
// its children the one that was (package os), so what is asked here is in force.
type descriptorBudget struct {
	limit     int // 0: not known
	own       int
	sandboxes int // all of them together
}

// budgetDescriptors asks the kernel for the limit and sets aside what the bindings
// need.
func budgetDescriptors(bindings []Sandbox) descriptorBudget {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return descriptorBudget{}
	}
	return shareDescriptors(uint64(r.Cur), bindings)
}

// shareDescriptors shares a limit out.
func shareDescriptors(limit uint64, bindings []Sandbox) descriptorBudget {
	b := descriptorBudget{limit: int(min(limit, math.MaxInt32))}
	b.own = ownDescriptors + min(b.limit/ownShare, maxOwnShare)
	for _, s := range bindings {
		n := s.MaxSandboxes
		if n == 0 {
			n = assumedSandboxes + s.Warm
		}
		b.sandboxes += n * sandboxDescriptors
	}
	// Sandboxes without connections are of no use: half is for these.
	b.sandboxes = min(b.sandboxes, max(0, b.limit/2-b.own))
	return b
}

// connections is how many connections the descriptors are enough for.
func (b descriptorBudget) connections() int {
	if b.limit == 0 {
		return 0
	}
	return max(1, (b.limit-b.own-b.sandboxes)/perConnection)
}

// String tells the sum.
func (b descriptorBudget) String() string {
	return fmt.Sprintf("%d descriptors, less %d for the edge and %d for sandboxes, %d for each", b.limit, b.own, b.sandboxes, perConnection)
}
