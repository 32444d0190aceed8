package host

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// fasthttp's clock for the Date header, one for the process.
	clock := goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")
	goleak.VerifyTestMain(&unhurried{m, clock}, clock)
}

// unhurried are tests whose goroutines are let end, for as long as that may take on a
// busy machine: goleak itself waits for half a second.
type unhurried struct {
	tests   *testing.M
	endless goleak.Option
}

// Run meets goleak.TestingM.
func (u *unhurried) Run() int {
	code := u.tests.Run()
	for end := time.Now().Add(30 * time.Second); code == 0 && goleak.Find(u.endless) != nil && time.Now().Before(end); {
	}
	return code
}
