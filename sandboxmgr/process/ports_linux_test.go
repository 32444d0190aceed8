package process

import (
	"testing"

	"edge/sandboxmgr/runtimetest"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	runtimetest.Ports(t, "none", func(t testing.TB) *runtimetest.Bench { return newBench(t).Bench })
}
