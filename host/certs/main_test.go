package certs

import (
	"testing"
	"time"

	"go.uber.org/goleak"

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
	goleak.VerifyTestMain(&unhurried{m, endless}, endless...)
}

// unhurried are tests whose goroutines are let end, for as long as that may take on a
// busy machine: goleak itself waits for half a second.
type unhurried struct {
	tests   *testing.M
	endless []goleak.Option
}

// Run meets goleak.TestingM.
func (u *unhurried) Run() int {
	code := u.tests.Run()
	for end := time.Now().Add(30 * time.Second); code == 0 && goleak.Find(u.endless...) != nil && time.Now().Before(end); {
	}
	return code
}
