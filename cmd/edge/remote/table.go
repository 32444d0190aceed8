package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// table is text in columns.
type table struct {
	rows [][]string
	// right are the columns of numbers.
	right map[int]bool
	// whole keeps the last column whole, for what is to be copied.
	whole bool
	// remarks are lines below rows, by the rows' number.
	remarks map[int][]string
}

// newTable begins one with its headings; those that begin with "#" are of
// numbers.
func newTable(headings ...string) *table {
	t := &table{right: map[int]bool{}}
	for i, h := range headings {
		headings[i] = strings.TrimPrefix(h, "#")
		t.right[i] = headings[i] != h
	}
	t.rows = append(t.rows, headings)
	return t
}

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = oneLine(c)
	}
	t.rows = append(t.rows, cells)
}

// remark puts a line below the last row, which is broken where it would not fit a
// terminal.
func (t *table) remark(text string) {
	if t.remarks == nil {
		t.remarks = map[int][]string{}
	}
	at := len(t.rows) - 1
	t.remarks[at] = append(t.remarks[at], oneLine(text))
}

// write prints the table, the last column cut where it would not fit a
// terminal.
func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	room, last := columnsOf(w), len(widths)-1
	if t.whole {
		room = unbounded
	}
	var b strings.Builder
	for n, row := range t.rows {
		used := 0
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case t.right[i]:
				line.WriteString(pad + cell)
			case i == last:
				line.WriteString(cut(cell, room-used))
			default:
				line.WriteString(cell + pad)
			}
			if i < last {
				line.WriteString("  ")
			}
			used += widths[i] + 2
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		for _, text := range t.remarks[n] {
			b.WriteString(indented(text, room))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// indented is a remark as lines of at most room characters, the later ones set in
// further.
func indented(text string, room int) string {
	const head, rest = "  ", "    "
	return head + strings.Join(folded(text, room-len(head), room-len(rest)), "\n"+rest) + "\n"
}

// minLast is how much of the last column is shown however narrow the terminal.
const minLast = 12

// cut shortens text to that many characters, but not below minLast.
func cut(text string, room int) string {
	if utf8.RuneCountInString(text) <= max(room, minLast) {
		return text
	}
	return string([]rune(text)[:max(room, minLast)-1]) + "…"
}

// folded breaks text at spaces into lines of that many characters, the first of
// its own; a longer word stays whole.
func folded(text string, head, rest int) []string {
	room := head
	var lines []string
	for {
		runes := []rune(text)
		at := len(runes)
		if at > max(room, minLast) {
			at = breakAt(runes, max(room, minLast))
		}
		lines = append(lines, strings.TrimRight(string(runes[:at]), " "))
		text = strings.TrimLeft(string(runes[at:]), " ")
		if text == "" {
			return lines
		}
		room = rest
	}
}

// breakAt is the last space within room, else the first one after it, else the
// end.
func breakAt(text []rune, room int) int {
	for at := room; at > 0; at-- {
		if text[at] == ' ' {
			return at
		}
	}
	for at := room; at < len(text); at++ {
		if text[at] == ' ' {
			return at
		}
	}
	return len(text)
}

// unbounded is a width that no line reaches.
const unbounded = 1 << 30

// columnsOf is the width of the terminal that w is, else unbounded.
func columnsOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if cols, _, err := term.GetSize(int(f.Fd())); err == nil && cols > 0 {
			return cols
		}
	}
	return unbounded
}

// printable replaces control characters, so that foreign text cannot steer the
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// oneLine is printable without the line breaks.
func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(printable(s))
}

// writeJSON prints a value as JSON, indented.
func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}

// span is a length of time for people, "12s", "3m", "2h10m", "5d".
func span(d time.Duration) string {
	switch d = max(d, 0).Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		if m := int(d.Minutes()) % 60; m > 0 && d < 10*time.Hour {
			return fmt.Sprintf("%dh%dm", int(d.Hours()), m)
		}
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// since is how long ago t was, or "-".
func since(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return span(time.Since(*t))
}

// until is how long it is to t, or "-".
func until(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return span(time.Until(*t))
}
