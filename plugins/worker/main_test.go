package worker

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(settling{m}) }

// settling is a package's tests, and the time that goroutines have to end after them:
// goleak waits for half a second, which may be too little on a busy machine.
type settling struct{ *testing.M }

// Run runs the tests and waits until none of their goroutines is left, for as long as
// patience.
func (s settling) Run() int {
	code := s.M.Run()
	for end := time.Now().Add(patience); code == 0 && goleak.Find() != nil && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return code
}
