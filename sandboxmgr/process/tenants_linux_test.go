package process

import (
	"testing"

	"edge/sandboxmgr/runtimetest"
)

// TestTenants is not parallel: it counts what this process holds.
func TestTenants(t *testing.T) {
	runtimetest.Tenants(t, func(t testing.TB) *runtimetest.Bench { return newBench(t).Bench })
}
