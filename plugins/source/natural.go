package source

import (
	"cmp"
	"strings"
)

// natural compares names as people order them: runs of digits by their value,
// everything else byte by byte, so that v9 comes before v10. The suffix of
// modules does not count: v1 comes before v1-rc. Names that differ in leading
// zeros alone are ordered by those, so that the order is total.
func natural(a, b string) int {
	x, y := strings.TrimSuffix(a, moduleSuffix), strings.TrimSuffix(b, moduleSuffix)
	for x != "" && y != "" {
		var order int
		if digit(x[0]) && digit(y[0]) {
			order, x, y = numbers(x, y)
		} else {
			order, x, y = cmp.Compare(x[0], y[0]), x[1:], y[1:]
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// numbers compares the numbers that two texts begin with, of any length, and
// returns what is behind them.
func numbers(a, b string) (order int, restA, restB string) {
	x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	i, j := digits(x), digits(y)
	return cmp.Or(cmp.Compare(i, j), strings.Compare(x[:i], y[:j])), x[i:], y[j:]
}

// digits counts the digits that a text begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
