package docker

import (
	"testing"

	"edge/sandboxmgr/runtimetest"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	runtimetest.Ports(t, "internal", func(t testing.TB) *runtimetest.Bench { return newBench(t).Bench })
}

// TestApartPorts has all of it said through a relay.
func TestApartPorts(t *testing.T) {
	t.Parallel()
	runtimetest.Ports(t, "none", func(t testing.TB) *runtimetest.Bench {
		b, _ := newApart(t)
		return b.Bench
	})
}
