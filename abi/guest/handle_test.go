//go:build !wasip1

package guest

import "testing"

func TestBelowPanic(t *testing.T) {
	t.Parallel()
	const below = "main.handle(0x1)\n\tmain.go:12 +0x2\n"
	for stack, want := range map[string]string{
		"goroutine 1 [running]:\nruntime/debug.Stack()\n\tstack.go:26\npanic({0x1, 0x2})\n\tpanic.go:860 +0x1c\n" + below: below,
		"goroutine 1 [running]:\n" + below: "goroutine 1 [running]:\n" + below,
		"x\npanic(":                        "x\npanic(",
		"":                                 "",
	} {
		if got := belowPanic(stack); got != want {
			t.Errorf("below the panic of %q is %q, want %q", stack, got, want)
		}
	}
}
