package certs

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain has pebble, the authority of the tests, check at once what is shown to it,
// and accept what is right: by itself it waits for seconds, and refuses some requests
// to see whether they are sent again.
func TestMain(m *testing.M) {
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	goleak.VerifyTestMain(m,
		// Both have no end: certmagic's limiter of how often an authority is asked, and
		// pebble's queue of checks.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
	)
}
