//go:build !linux

package stage

import (
	"fmt"
	"os"
)

// Main says that it needs Linux and returns 1.
func Main([]string) int {
	fmt.Fprintln(os.Stderr, "a stage of the process runtime needs Linux")
	return 1
}
