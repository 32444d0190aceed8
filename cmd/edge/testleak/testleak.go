// Package testleak gives goroutines that tests started time to end before goleak looks
// for them. It waits for half a second itself, which may be too little on a machine
// with much else to do.
package testleak

import (
	"time"

	"go.uber.org/goleak"
)

// patience bounds the wait for goroutines; goleak tells those that are left then.
const patience = time.Minute

// Settle makes m's tests ones that end when none of their goroutines is left, but for
// the ignored ones, or after a minute, or at once when a test has failed. It is for
// goleak.VerifyTestMain, which is given the ignored ones too.
func Settle(m goleak.TestingM, ignored ...goleak.Option) goleak.TestingM {
	return settling{m, ignored, patience}
}

type settling struct {
	tests    goleak.TestingM
	ignored  []goleak.Option
	patience time.Duration
}

// Run runs the tests, waits, and returns the tests' exit code.
func (s settling) Run() int {
	code := s.tests.Run()
	for end := time.Now().Add(s.patience); code == 0 && goleak.Find(s.ignored...) != nil && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return code
}
