package host

import (
	"testing"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) {
	// fasthttp's clock for the Date header, one for the process.
	clock := goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")
	goleak.VerifyTestMain(testleak.Settle(m, clock), clock)
}
