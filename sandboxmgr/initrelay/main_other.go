//go:build !linux

package initrelay

import (
	"fmt"
	"os"
)

// Main needs Linux: sandboxes are Linux namespaces.
func Main(string) int {
	fmt.Fprintln(os.Stderr, "edge init: runs on Linux only")
	return 2
}
