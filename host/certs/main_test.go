package certs

import (
	"testing"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
	"edge/host/certs/acmetest"
)

func TestMain(m *testing.M) {
	if err := acmetest.Configure(); err != nil {
		panic(err)
	}
	endless := []goleak.Option{
		// Both have no end: certmagic's limiter of how often an authority is asked, and
		// pebble's queue of checks.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
	}
	goleak.VerifyTestMain(testleak.Settle(m, endless...), endless...)
}
