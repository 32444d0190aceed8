package initlink

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// privateKiB is the memory that a process has for itself alone.
func privateKiB(t testing.TB, pid int) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var n int
		if strings.HasPrefix(s.Text(), "Private_") {
			if _, err := fmt.Sscanf(strings.Fields(s.Text())[1], "%d", &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}
