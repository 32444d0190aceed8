package worker

import (
	"testing"

	"go.uber.org/goleak"

	"edge/cmd/edge/testleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testleak.Settle(m)) }
