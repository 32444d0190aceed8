package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"edge/plugins/replay"
)

// columns are lines for a terminal of which some have columns, aligned over all of
// them.
type columns struct {
	rows  [][]string // one cell: a line as it is
	width []int
}

// line adds a line without columns.
func (c *columns) line(text string) { c.rows = append(c.rows, []string{text}) }

// row adds a line with columns; there are two or more.
func (c *columns) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
		if i == len(c.width) {
			c.width = append(c.width, 0)
		}
		c.width[i] = max(c.width[i], utf8.RuneCountInString(cells[i]))
	}
	c.rows = append(c.rows, cells)
}

// differs adds a difference below a row, as "status: expected 403, is 200"; long
// says that values are printed whole.
func (c *columns) differs(d replay.Difference, was string, long bool) {
	const most = 100
	show := func(s string) string {
		switch {
		case s == "":
			return "nothing"
		case long:
			return printable(s)
		}
		return replay.Short(printable(s), most)
	}
	if len(d.Was)+len(d.Is) < 60 {
		c.line(fmt.Sprintf("          %s: %s %s, is %s", d.What, was, show(d.Was), show(d.Is)))
		return
	}
	c.line("          " + d.What + ":")
	c.line("            " + was + " " + show(d.Was))
	c.line("            " + strings.Repeat(" ", max(0, len(was)-2)) + "is " + show(d.Is))
}

// write prints the lines.
func (c *columns) write(w io.Writer) error {
	var b strings.Builder
	for _, row := range c.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", c.width[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// count is "1 case", "2 cases".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// grouped is a number with commas: 48,210.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// fuelText is a decision's fuel, or nothing where it is not counted.
func fuelText(n uint64) string {
	if n == 0 {
		return ""
	}
	return "fuel " + grouped(n)
}
