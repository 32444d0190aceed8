package initd

import (
	"testing"

	"edge/abi"
)

// TestCheckoutTarget: without a target it is the repository's name in /workspace.
func TestCheckoutTarget(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{"": "/workspace/repo", "x/y": "/workspace/x/y", "/srv/x/": "/srv/x", ".": "/workspace"} {
		_, got, err := checkCheckout(&abi.CheckoutRequest{URL: "https://example.org/a/repo.git", TargetDir: target})
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", target, got, err)
		}
	}
}
